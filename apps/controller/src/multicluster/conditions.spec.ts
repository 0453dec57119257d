import { describe, expect, it } from '@jest/globals';
import type { PeerVerdict } from '../peer/verdict.js';
import { judgeConditions } from './conditions.js';
import type { MulticlusterInput } from './decide.js';

const memory = { firstContact: 'VerifiedCA', privateDocument: { body: '{}', fetchedAt: 0 } };
const verdict = { leaving: false, memory, findings: [] } as unknown as PeerVerdict;
const registry = {
  synced: false,
  lastContact: 0,
  services: 0,
  endpoints: 0,
  error: 'this credential is for no such peer',
};

function registrySynced(findings: readonly object[], more: object = {}): unknown {
  const input = {
    ref: { kind: 'IstioMulticluster', name: 'b' },
    resource: [],
    hearing: {},
    publication: { trusted: true, findings },
    probes: [],
    claimedRoots: new Map(),
    registry,
    ...more,
  } as unknown as MulticlusterInput;
  const judged = judgeConditions(input, verdict).find(({ type }) => type === 'RegistrySynced');
  return [judged?.status, judged?.reason, judged?.message];
}

describe('RegistrySynced', () => {
  it('names a refused apiHost, not what follows from it', () => {
    const refused = { reason: 'AddressRefused', subject: 'apiHost', message: 'loopback' };
    expect(registrySynced([refused])).toEqual([
      'False',
      'AddressRefused',
      expect.stringContaining('see ApiAccessible'),
    ]);
  });

  it('tells what the mesh core met otherwise', () => {
    expect(registrySynced([])).toEqual(['False', 'Unreachable', registry.error]);
  });

  it('counts as a person would', () => {
    const read = { synced: true, lastContact: 1, services: 1, endpoints: 2 };
    expect(registrySynced([], { registry: read })).toEqual(['True', 'Succeeded', '1 service and 2 endpoints']);
  });
});
