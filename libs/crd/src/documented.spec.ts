import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { conditionTableOf } from './conditions.js';
import { parseIstioFederation, parseIstioMulticluster } from './parse.js';
import { REASONS } from './reasons.js';

const pages = {
  IstioFederation: readFileSync('docs/spec/istiofederation.md', 'utf8'),
  IstioMulticluster: readFileSync('docs/spec/istiomulticluster.md', 'utf8'),
};
const hasRow = (page: string, word: string): boolean => page.includes(`\n| \`${word}\` `);
const kinds = ['IstioFederation', 'IstioMulticluster'] as const;

describe('docs/spec', () => {
  it.each(Object.keys(REASONS))('tells what to do about %s', (reason) => {
    expect(hasRow(pages.IstioFederation, reason)).toBe(true);
  });

  it.each(kinds)('explains every condition of %s', (kind) => {
    for (const { type } of [...conditionTableOf(kind), { type: 'Ready' }])
      expect([type, hasRow(pages[kind], type)]).toEqual([type, true]);
  });

  it.each(kinds)('gives only examples of %s that are accepted', (kind) => {
    const examples = [...pages[kind].matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text ?? '');
    expect(examples.length).toBeGreaterThan(0);
    const parse = kind === 'IstioFederation' ? parseIstioFederation : parseIstioMulticluster;
    for (const example of examples) {
      const parsed = parse(parseAllDocuments(example)[0]?.toJS());
      expect(parsed.ok ? [] : parsed.faults).toEqual([]);
    }
  });
});
