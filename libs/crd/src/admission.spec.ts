import { describe, expect, it } from '@jest/globals';
import { admissionObject, admissionTable } from './admission-table.js';
import { describeFault, parseIstioFederation, parseIstioMulticluster } from './parse.js';
import type { AdmissionCase } from './admission-table.js';

const parse = ({ kind }: AdmissionCase) => (kind === 'IstioFederation' ? parseIstioFederation : parseIstioMulticluster);

describe('admission by zod', () => {
  it.each(admissionTable.map((row) => [row.name, row] as const))('%s', (_name, row) => {
    const parsed = parse(row)(JSON.parse(JSON.stringify(admissionObject(row))));
    expect(parsed.ok ? undefined : parsed.faults.map(({ field }) => field)).toEqual(
      row.refusedAt === undefined || row.readIfStored ? undefined : expect.arrayContaining([row.refusedAt]),
    );
  });

  it('names every fault at once, with field, value and remedy', () => {
    const parsed = parseIstioFederation({
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioFederation',
      metadata: { name: 'b' },
      spec: { trustDomain: 'spiffe://b', metadataEndpoint: 'http://b/metadata', metadata: { ca: 'secret-ish text' } },
    });
    const lines = parsed.ok ? [] : parsed.faults.map(describeFault);
    expect(lines).toHaveLength(4);
    expect(lines.join('\n')).toMatch(/spec\.trustDomain \("spiffe:\/\/b"\) .*leave out "spiffe:\/\/"/);
    expect(lines.join('\n')).toMatch(/spec\.metadataEndpoint \("http:\/\/b\/metadata"\) must be https:/);
    expect(lines.join('\n')).not.toContain('secret-ish');
  });

  it('says so when it is given something else entirely', () => {
    expect(parseIstioFederation(null).ok).toBe(false);
    expect(parseIstioMulticluster({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: {} })).toMatchObject({
      faults: expect.arrayContaining([
        expect.objectContaining({ field: 'kind', message: 'must be IstioMulticluster' }),
      ]),
    });
  });

  it('fills defaults in and keeps a status it can read', () => {
    const object = {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioFederation',
      metadata: { name: 'b', generation: 4 },
      spec: { trustDomain: 'b.example', metadataEndpoint: 'https://b/metadata', metadata: {}, stalePolicy: {} },
    };
    const parsed = parseIstioFederation({ ...object, status: { observedGeneration: 3 } });
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        metadata: { name: 'b', generation: 4 },
        spec: { metadata: { insecureSkipVerify: false }, stalePolicy: { mode: 'Keep' } },
        status: { observedGeneration: 3 },
      },
    });
    expect(parseIstioFederation({ ...object, status: { conditions: 'old format' } })).not.toHaveProperty(
      'value.status',
    );
  });
});
