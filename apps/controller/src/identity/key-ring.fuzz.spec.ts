import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { advance, currentKey, parseKeyRing } from './key-ring.js';

const key = { kid: 'a', privatePem: fuzzSecret, publicPem: 'pem', state: 'current', announcedAt: 1, currentSince: 1 };
const ring = { version: 1, keys: [key, { ...key, kid: 'b', state: 'retired', retiredAt: 2 }], handledRequest: 'x' };
const keys = ['version', 'keys', 'kid', 'privatePem', 'state', 'announcedAt', '__proto__'];
const freshKey = (): { kid: string; privatePem: string; publicPem: string } => ({
  kid: 'c',
  privatePem: 'p',
  publicPem: 'q',
});
const facts = { now: 10, times: { announceMs: 1, honourMs: 1 }, freshKey };

describe('the ring of signing keys', () => {
  it(
    'any text is a ring that can go on, or refused by an error that names the Secret and shows no key',
    () =>
      fuzzBothWays((dice) => {
        const text = brokenText(dice, JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, ring, keys) : ring));
        const read = readOr(
          () => parseKeyRing(text),
          (error) => error.message.startsWith('Secret isthmus-signing-keys, key keys.json: '),
        );
        if (read === undefined) return false;
        if (JSON.stringify(parseKeyRing(JSON.stringify(read))) !== JSON.stringify(read)) throw new Error(text);
        if (currentKey(advance(read, facts)) === undefined) throw new Error('no key signs');
        return true;
      }),
    fuzzLimitMs,
  );
});
