import { createHash, createPublicKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { generateSigningKey } from '#trust';
import { SigningPeer, trusted } from '../../../../libs/trust/src/peer.fixture.js';
import {
  advance,
  currentKey,
  emptyKeyRing,
  mostKeys,
  nextChangeMs,
  parseKeyRing,
  signingKeyReport,
} from './key-ring.js';
import type { KeyRing, RingFacts } from './key-ring.js';

const times = { announceMs: 1_000, honourMs: 5_000 };

function facts(now: number, request?: string): RingFacts {
  let made = 0;
  const freshKey = (): ReturnType<RingFacts['freshKey']> => {
    made += 1;
    return { kid: `k${now}-${made}`, privatePem: 'private', publicPem: 'public' };
  };
  return { now, times, freshKey, ...(request === undefined ? {} : { request }) };
}

function certified(ring: KeyRing): KeyRing {
  return { ...ring, keys: ring.keys.map((key) => ({ ...key, chain: ['leaf'] })) };
}

function states(ring: KeyRing): readonly string[] {
  return ring.keys.map((key) => `${key.kid}:${key.state}`);
}

describe('key ring', () => {
  it('makes a first key current at once and then rests', () => {
    const first = advance(emptyKeyRing, facts(0));
    expect(states(first)).toEqual(['k0-1:current']);
    expect(advance(first, facts(10))).toBe(first);
    expect(nextChangeMs(first, 10, times)).toBeUndefined();
  });

  it('rotates: announced, promoted after its time, the old one honoured until its end', () => {
    const first = certified(advance(emptyKeyRing, facts(0)));
    const announced = certified(advance(first, facts(100, 'once')));
    expect(states(announced)).toEqual(['k0-1:current', 'k100-1:next']);
    expect(nextChangeMs(announced, 100, times)).toBe(1_000);
    expect(advance(announced, facts(1_099, 'once'))).toBe(announced);
    const promoted = advance(announced, facts(1_100, 'once'));
    expect(states(promoted)).toEqual(['k0-1:retired', 'k100-1:current']);
    expect(currentKey(promoted)?.kid).toBe('k100-1');
    const ended = advance(promoted, facts(6_100, 'once'));
    expect(states(ended)).toEqual(['k100-1:current']);
  });

  it('does not promote a key that no certificate vouches for', () => {
    const announced = advance(certified(advance(emptyKeyRing, facts(0))), facts(100, 'once'));
    expect(states(advance(announced, facts(9_999, 'once')))).toEqual(['k0-1:current', 'k100-1:next']);
  });

  it('carries out each request once; one that comes while a key is announced joins it', () => {
    const first = certified(advance(emptyKeyRing, facts(0, 'old')));
    expect(advance(first, facts(1, 'old'))).toBe(first);
    const one = advance(first, facts(2, 'a'));
    expect(one.keys).toHaveLength(2);
    const two = advance(one, facts(3, 'b'));
    expect(two.keys).toHaveLength(2);
    expect(two.handledRequest).toBe('b');
    expect(advance(two, facts(4, 'b'))).toBe(two);
    const promoted = advance(certified(two), facts(1_002, 'b'));
    expect([states(promoted), promoted.handledRequest]).toEqual([['k0-1:retired', 'k2-1:current'], 'b']);
  });

  it('holds no more keys than peers take: requests wait, said, until the oldest is dropped; each is met once', () => {
    const long = { announceMs: 10, honourMs: 5_000 };
    const look = (ring: KeyRing, now: number, request: string): KeyRing =>
      certified(advance(ring, { ...facts(now, request), times: long }));
    const full = Array.from({ length: 7 }, (_x, at) => at * 10).reduce(
      (ring, now) => look(look(ring, now, `r${now}`), now + 10, `r${now}`),
      certified(advance(emptyKeyRing, facts(0))),
    );
    expect(full.keys).toHaveLength(8);
    expect(signingKeyReport(full).message).toMatch(/told 8 keys.*a further change waits until the oldest/);
    const waiting = look(full, 100, 'later');
    expect([waiting.keys.length, waiting.handledRequest]).toEqual([8, 'r60']);
    expect(nextChangeMs({ ...full, keys: full.keys.filter(({ state }) => state === 'retired') }, 100, long)).toBe(
      4_910,
    );
    const taken = look(waiting, 5_010, 'later');
    expect([taken.keys.length, taken.handledRequest]).toEqual([8, 'later']);
    expect(taken.keys.filter(({ state }) => state === 'next')).toHaveLength(1);
    expect(signingKeyReport(taken).message).not.toContain('waits');
  });

  it('is full when one more would make peers refuse the document', () => {
    const peer = new SigningPeer('b.example');
    const read = (count: number): string => {
      const retired = Array.from({ length: count - 1 }, () => trusted(generateSigningKey(), 'retired'));
      return peer.firstVerdict({ keys: [trusted(peer.key), ...retired] });
    };
    expect([read(mostKeys), read(mostKeys + 1)]).toEqual(['accepted', 'refused']);
  });

  it('is told by the fingerprints that peers show and pin', () => {
    const key = generateSigningKey();
    const fingerprint = `sha256:${createHash('sha256')
      .update(createPublicKey(key.publicPem.replaceAll('ED25519 ', '')).export({ type: 'spki', format: 'der' }))
      .digest('hex')}`;
    const report = signingKeyReport(advance(emptyKeyRing, { ...facts(0), freshKey: () => key }));
    expect(report.keys).toEqual([{ fingerprint, state: 'current' }]);
    expect(report.message).toBe(`key ${fingerprint} signs`);
  });

  it('never takes an unreadable ring for an empty one', () => {
    expect(() => parseKeyRing('{"version":2}')).toThrow(/isthmus-signing-keys/);
  });
});
