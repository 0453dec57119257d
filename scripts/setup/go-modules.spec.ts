import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { catalogue } from './catalogue.js';
import { goModules, moduleFile, stagingModulesOf } from './go-modules.js';
import { modulesDirectory } from './recipe-digest.js';

describe('stagingModulesOf', () => {
  it.each([
    [
      'a block',
      'replace (\n\tk8s.io/b => ./staging/src/k8s.io/b\n\tk8s.io/a => ./staging/src/k8s.io/a\n)',
      ['k8s.io/a', 'k8s.io/b'],
    ],
    ['a single line', 'replace k8s.io/a => ./staging/src/k8s.io/a\n', ['k8s.io/a']],
    ['a version on the left', 'replace k8s.io/a v0.0.0 => ./staging/src/k8s.io/a\n', ['k8s.io/a']],
    ['other replacements', 'replace (\n\tx.y/z => x.y/z v1.2.3\n\tx.y/w => ../w\n)', []],
    ['requirements only', 'require k8s.io/a v0.0.0\n', []],
  ])('reads %s', (_, goMod, expected) => {
    expect(stagingModulesOf(goMod)).toEqual(expected);
  });
});

describe('moduleFile', () => {
  it('writes tools, requirements and replacements sorted', () => {
    const { kubernetes } = goModules;
    const text = moduleFile({ ...kubernetes, tools: ['b/cmd', 'a/cmd'] }, ['k8s.io/api', 'k8s.io/apimachinery']);
    expect(text).toBe(
      [
        'module isthmus.dev/parts/kubernetes',
        '',
        'go 1.25.0',
        '',
        'godebug default=go1.25',
        '',
        'tool (\n\ta/cmd\n\tb/cmd\n)',
        '',
        'require (\n\tgo.etcd.io/etcd/server/v3 v3.6.5\n\tk8s.io/kubernetes v1.35.4\n)',
        '',
        'replace (\n\tk8s.io/api => k8s.io/api v0.35.4\n\tk8s.io/apimachinery => k8s.io/apimachinery v0.35.4\n)',
        '',
      ].join('\n'),
    );
  });

  it('leaves out what a module does not have', () => {
    expect(moduleFile(goModules.helm, [])).not.toMatch(/godebug|replace/);
  });
});

describe.each(Object.values(goModules))('committed module $name', (module) => {
  const goMod = readFileSync(join(modulesDirectory(), module.name, 'go.mod'), 'utf8');
  const goSum = readFileSync(join(modulesDirectory(), module.name, 'go.sum'), 'utf8');

  it('requires the versions of the catalogue (else run: npm run setup -- --pin)', () => {
    // A requirement that no package of the tool comes from is dropped by `go mod tidy`.
    const kept = module.requires.filter(({ path }) => goMod.includes(`${path} `));
    expect(kept.length).toBeGreaterThan(0);
    for (const { path, version } of kept) {
      expect(goMod).toContain(`${path} ${version}`);
      expect(goSum).toContain(`${path} ${version} h1:`);
    }
  });

  it('names every program that is built from it as a tool', () => {
    const packages = catalogue.flatMap(({ recipe }) =>
      recipe.kind === 'go' && recipe.module === module.name ? [recipe.package] : [],
    );
    expect(packages.sort()).toEqual([...module.tools].sort());
    for (const tool of module.tools) expect(goMod).toContain(tool);
  });

  it('replaces staging modules by the one version that belongs to it, and nothing by a folder', () => {
    expect(goMod).not.toMatch(/=> \.\.?\//);
    const replaced = [...goMod.matchAll(/^\t(k8s\.io\/\S+) => (\S+) (\S+)$/gm)];
    expect(replaced.length > 0).toBe(module.staging !== undefined);
    for (const [, from, to, version] of replaced) expect([to, version]).toEqual([from, module.staging?.version]);
  });
});
