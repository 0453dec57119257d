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

/** An IstioMulticluster with this stale policy. */
const withPolicy = (mode: string): object => ({ resource: { spec: { stalePolicy: { mode, after: '3s' } } } });

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

  it.each([
    ['Keep', undefined, 'StaleKeepingLastKnownGood', /^away; 4 services and 9 endpoints, 60 s old, go on$/],
    ['DrainAfter', 4, 'Drained', /^away; stalePolicy has withdrawn the endpoints of 4 of 4 services, .*raise/],
    ['FailClosed', 3, 'FailedClosed', /endpoints of 3 of 4 services, 9 endpoints of the others, 60 s old, go on\./],
  ])('says what the silence has cost by stalePolicy: %s', (mode, withdrawnServices, reason, said) => {
    const counts = { synced: true, lastContact: 0, services: 4, endpoints: 9, error: 'away' };
    const read = withdrawnServices === undefined ? counts : { ...counts, withdrawnServices };
    const found = registrySynced([], { ...withPolicy(mode), registry: read, now: 60_000 });
    expect(found).toEqual(['False', reason, expect.stringMatching(said)]);
  });

  it('is not good while anything is withdrawn, also of a cluster that answers again', () => {
    const read = { synced: true, lastContact: 1, services: 1, endpoints: 0, withdrawnServices: 1 };
    expect(registrySynced([], { ...withPolicy('DrainAfter'), registry: read, now: 1 })).toEqual([
      'False',
      'Drained',
      expect.stringMatching(/^it answers again; /),
    ]);
  });

  it('counts as a person would', () => {
    const read = { synced: true, lastContact: 1, services: 1, endpoints: 2 };
    expect(registrySynced([], { registry: read })).toEqual(['True', 'Succeeded', '1 service and 2 endpoints']);
  });
});
