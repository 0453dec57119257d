import { describe, expect, it } from '@jest/globals';
import { conditionTableOf } from './conditions.js';
import { crdFileName, crdManifest } from './manifest.js';
import { REASONS } from './reasons.js';
import { durationMs } from './stale-policy.js';

type Tree = { readonly [key: string]: unknown };

function walk(node: unknown, path: string, visit: (node: Tree, path: string) => void): void {
  if (typeof node !== 'object' || node === null) return;
  visit(node as Tree, path);
  for (const [key, value] of Object.entries(node)) walk(value, `${path}.${key}`, visit);
}

describe.each(['IstioFederation', 'IstioMulticluster'] as const)('CRD of %s', (kind) => {
  const manifest = JSON.parse(JSON.stringify(crdManifest(kind))) as Tree;
  const [version] = (manifest['spec'] as { versions: Tree[] }).versions;

  it('is structural: a type everywhere, no unions, no JavaScript bounds', () => {
    walk((version?.['schema'] as Tree)['openAPIV3Schema'], '', (node, path) => {
      const holdsFields =
        /\.(properties|x-kubernetes-validations)$/.test(path) || path.includes('x-kubernetes-validations');
      if (!holdsFields && !Array.isArray(node)) expect([path, typeof node['type']]).toEqual([path, 'string']);
      expect(Object.keys(node)).not.toEqual(expect.arrayContaining(['anyOf', '$ref', '$schema', 'allOf']));
      expect(Object.values(node)).not.toContain(Number.MAX_SAFE_INTEGER);
    });
  });

  it('has status, short names and the printed columns', () => {
    expect(version?.['subresources']).toEqual({ status: {} });
    expect((version?.['additionalPrinterColumns'] as Tree[]).map((column) => column['name'])).toEqual([
      'READY',
      'STATE',
      'PEER',
      'SERVICES',
      'GATEWAYS',
      'AGE',
    ]);
    expect(crdFileName(kind)).toBe(`isthmus.dev_${kind.toLowerCase()}s.yaml`);
  });

  it('has conditions of good style', () => {
    const types = conditionTableOf(kind).map(({ type }) => type);
    expect(new Set(types).size).toBe(types.length);
    expect(types).not.toContain('Ready');
  });
});

describe('words', () => {
  it('gives every reason the name of itself', () => {
    for (const [name, value] of Object.entries(REASONS)) expect([name, value]).toEqual([value, value]);
  });

  it.each([
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1h0m1s', 3_601_000],
    ['nonsense', 0],
  ])('%s is %d ms', (text, ms) => expect(durationMs(text)).toBe(ms));
});
