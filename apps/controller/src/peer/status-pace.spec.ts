import { describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { StatusPace } from './status-pace.js';

const told = (reason: string, imported: number, observedGeneration = 1): PeerStatus => {
  const condition = { type: 'Ready', status: 'True', reason, message: '', lastTransitionTime: '' } as const;
  return { observedGeneration, conditions: [{ ...condition, observedGeneration }], services: { imported } };
};
const before = told('Succeeded', 1);

describe('a status that differs from what was told', () => {
  it.each<[string, PeerStatus | undefined, PeerStatus, number]>([
    ['the first', undefined, before, 0],
    ['a condition that turns', before, told('Stalled', 1), 0],
    ['another generation of the resource', before, told('Succeeded', 1, 2), 0],
    ['a count', before, told('Succeeded', 2), 300],
  ])('%s', (_what, last, status, delay) => {
    expect(new StatusPace().delay('a', { before: last, status, now: 1000 })).toBe(delay);
  });

  it('waits no longer for what keeps following, each peer by itself, and anew once all was told', () => {
    const pace = new StatusPace();
    const delay = (key: string, now: number): number =>
      pace.delay(key, { before, status: told('Succeeded', now), now });
    expect([delay('a', 1000), delay('a', 1200), delay('b', 1250), delay('a', 1300), delay('a', 1400)]).toEqual([
      300, 100, 300, 0, 0,
    ]);
    pace.told('a');
    expect(delay('a', 1500)).toBe(300);
  });

  it('is not kept for ever by a clock that was set back', () => {
    const pace = new StatusPace();
    const delay = (now: number): number => pace.delay('a', { before, status: told('Succeeded', 2), now });
    expect([delay(10_000_000), delay(1000), delay(1300)]).toEqual([300, 300, 0]);
  });
});
