import { describe, expect, it } from '@jest/globals';
import { importsOf, read, sources } from './source-tree.js';

const rank: Readonly<Record<string, number>> = {
  model: 0,
  crd: 1,
  'istio-api': 1,
  proto: 1,
  planner: 2,
  protocol: 2,
  trust: 2,
  xds: 2,
  reconcile: 3,
  platform: 4,
  kube: 4,
  store: 4,
  'peer-client': 4,
};
const pure = ['model', 'crd', 'istio-api', 'planner', 'protocol', 'trust', 'xds', 'reconcile'];

function libOf(file: string): string | undefined {
  return /^libs\/([^/]+)\/src\//.exec(file)?.[1];
}

describe('dependency picture of ARCHITECTURE.md', () => {
  it('lets every lib import only libs strictly to its right', () => {
    const wrong = sources().flatMap((file) => {
      const lib = libOf(file);
      if (lib === undefined || lib === 'testing') return [];
      const own = rank[lib] ?? -1;
      return importsOf(file)
        .filter((specifier) => /^#[a-z-]+$/.test(specifier))
        .filter((specifier) => (rank[specifier.slice(1)] ?? 99) >= own)
        .map((specifier) => `${file} imports ${specifier}`);
    });
    expect(wrong).toEqual([]);
  });

  it('keeps frameworks, the network and the machine out of the pure libs', () => {
    const banned = /^(@nestjs\/|typeorm|pg$|@kubernetes\/|@grpc\/|undici|node:(?!crypto|util|buffer|zlib))/;
    const wrong = sources().flatMap((file) =>
      pure.includes(libOf(file) ?? '')
        ? importsOf(file)
            .filter((name) => banned.test(name))
            .map((name) => `${file} imports ${name}`)
        : [],
    );
    expect(wrong).toEqual([]);
  });

  it('keeps the clock, randomness and the environment out of the pure libs', () => {
    const wrong = sources().filter(
      (file) => pure.includes(libOf(file) ?? '') && /\b(Date\.now\(|Math\.random\(|process\.env\b)/.test(read(file)),
    );
    expect(wrong).toEqual([]);
  });

  it('lets apps meet only through the Kubernetes API', () => {
    const wrong = sources().filter((file) => {
      const app = /^apps\/([^/]+)\//.exec(file)?.[1];
      return (
        app !== undefined &&
        importsOf(file).some((name) => /apps\/|\.\.\/\.\.\/\.\.\/(?!src)/.test(name) && !name.includes(`/${app}/`))
      );
    });
    expect(wrong).toEqual([]);
  });

  it('has Nest in at most 15 % of the lib files', () => {
    const libs = sources().filter((file) => libOf(file) !== undefined);
    const framed = libs.filter((file) =>
      importsOf(file).some((name) => name.startsWith('@nestjs/') || name === 'typeorm'),
    );
    expect(framed.length / libs.length).toBeLessThanOrEqual(0.15);
  });
});
