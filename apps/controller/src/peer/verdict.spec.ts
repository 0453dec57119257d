import { describe, expect, it } from '@jest/globals';
import type { PeerMemory } from '#trust';
import { revocationFindings } from './verdict.js';

const now = 1_000_000;

function remembered(facts: Partial<PeerMemory['facts']>): PeerMemory {
  return { facts: { crls: [], ...facts } } as unknown as PeerMemory;
}

describe('what is said of a peer’s revocation lists', () => {
  it.each<[string, PeerMemory | undefined, readonly object[]]>([
    ['nothing of a peer never met', undefined, []],
    ['nothing where there are none', remembered({}), []],
    ['nothing while they are used', remembered({ crls: ['list'], crlsUntil: now + 30_001 }), []],
    [
      'that they have run out',
      remembered({ crls: ['list'], crlsUntil: now - 1 }),
      [{ reason: 'StaleKeepingLastKnownGood', subject: 'crls', message: expect.stringMatching(/run out.*not used/) }],
    ],
    [
      'why those that it published are not used',
      remembered({ crlFault: 'crl: no list' }),
      [{ reason: 'DocumentInvalid', subject: 'crls', message: 'crl: no list' }],
    ],
  ])('%s', (_what, memory, findings) => {
    expect(revocationFindings(memory, now)).toEqual(findings);
  });
});
