import { describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { statusEvents } from './status-events.js';

type Told = readonly [type: string, status: 'True' | 'False' | 'Unknown', reason: string];

const statusOf = (told: readonly Told[]): PeerStatus => ({
  observedGeneration: 1,
  conditions: told.map(([type, status, reason]) => ({
    type,
    status,
    reason,
    message: `${type} says ${reason}`,
    lastTransitionTime: '2026-01-01T00:00:00Z',
    observedGeneration: 1,
  })),
});

const good: readonly Told[] = [
  ['Ready', 'True', 'Succeeded'],
  ['ServicesImported', 'True', 'Succeeded'],
];

describe('statusEvents', () => {
  const cases: readonly [string, readonly Told[] | undefined, readonly Told[], readonly string[]][] = [
    ['the first good status', undefined, good, ['Normal Succeeded']],
    ['nothing new', good, good, []],
    [
      'a conflict that Ready tells',
      good,
      [
        ['Ready', 'False', 'DomainConflict'],
        ['ServicesImported', 'False', 'DomainConflict'],
      ],
      ['Warning DomainConflict'],
    ],
    [
      'a second trouble behind the first',
      [
        ['Ready', 'False', 'DomainConflict'],
        ['ServicesImported', 'False', 'DomainConflict'],
        ['ServicesExported', 'True', 'Succeeded'],
      ],
      [
        ['Ready', 'False', 'DomainConflict'],
        ['ServicesImported', 'False', 'DomainConflict'],
        ['ServicesExported', 'False', 'NoMeshEndpoints'],
      ],
      ['Warning NoMeshEndpoints'],
    ],
    [
      'a notice beside a good Ready',
      good,
      [
        ['Ready', 'True', 'Succeeded'],
        ['ServicesImported', 'True', 'Succeeded'],
        ['ServicesExported', 'True', 'SharedTargetPort'],
      ],
      ['Warning SharedTargetPort'],
    ],
  ];
  it.each(cases)('%s', (_name, before, now, expected) => {
    const events = statusEvents(before && statusOf(before), statusOf(now));
    expect(events.map(({ type, reason }) => `${type} ${reason}`)).toEqual(expected);
  });

  it('tells once more when a revocation is done: what was cut is known only then', () => {
    const revoking = statusOf([['Ready', 'False', 'Revoked']]);
    const revoked = { ...revoking, revocation: { at: '2026-11-21T00:00:00Z' } };
    expect(statusEvents(revoking, revoked).map(({ reason }) => reason)).toEqual(['Revoked']);
    expect(statusEvents(revoked, revoked)).toEqual([]);
  });
});
