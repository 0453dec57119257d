import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { importsOf, read, root, sources, trackedFiles } from './source-tree.js';

describe('house rules', () => {
  it('names only paths that exist in ARCHITECTURE.md', () => {
    const named = [
      ...read('ARCHITECTURE.md').matchAll(/(?:^|[\s`(])((?:apps|libs|charts|test|scripts|docs)\/[\w./-]+)/gm),
    ].map((match) => (match[1] ?? '').replace(/\.$/, ''));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('has no folder called utils, helpers, common or misc', () => {
    const vague = trackedFiles().filter((file) => /(^|\/)(utils?|helpers?|common|misc|manager)(\/|\.ts$)/.test(file));
    expect(vague).toEqual([]);
  });

  it('keeps hand-written source files within 400 lines', () => {
    const long = sources()
      .map((file) => ({ file, lines: read(file).split('\n').length }))
      .filter(({ lines }) => lines > 401);
    expect(long).toEqual([]);
  });

  it('reads the environment of an app only in its config.ts', () => {
    const wrong = sources().filter(
      (file) => /^apps\//.test(file) && !/(config|main)\.ts$/.test(file) && /process\.env/.test(read(file)),
    );
    expect(wrong).toEqual([]);
  });

  it('imports typeorm, pg and client-node through their one lib', () => {
    const home: Readonly<Record<string, string>> = {
      typeorm: 'libs/store/',
      pg: 'libs/store/',
      '@kubernetes/client-node': 'libs/kube/',
    };
    const wrong = sources().flatMap((file) =>
      importsOf(file)
        .filter((name) => home[name] !== undefined && !file.startsWith(home[name]) && !file.startsWith('test/'))
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('records no download address in the lockfile and names no registry', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
    const hosts = /registry\.npmjs\.org|proxy\.golang\.org|pypi\.org|files\.pythonhosted\.org|deb\.debian\.org/;
    const texts = trackedFiles().filter((file) => /\.(ts|mjs|json|ya?ml|md|sh|toml|mod)$|^\.npmrc$/.test(file));
    const self = 'test/architecture/house.arch-spec.ts';
    expect(texts.filter((file) => file !== self && existsSync(join(root, file)) && hosts.test(read(file)))).toEqual([]);
  });

  it('starts every npm script through scripts/launch.mjs, so that it works in a bare clone', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const direct = Object.values(scripts).flatMap((script) =>
      script
        .split(' && ')
        .filter((part) => !/^([A-Z_]+=('[^']*'|\S+) )*(npm run|(exec )?node scripts\/launch\.mjs) /.test(part)),
    );
    expect(direct).toEqual([]);
  });

  it('keeps generated code in libs/proto/gen (not in git) and charts/*/crds', () => {
    expect(trackedFiles().filter((file) => file.startsWith('libs/proto/gen/'))).toEqual([]);
  });
});
