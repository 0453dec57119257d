import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzz, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { tokenKeysFrom } from './signing-keys.js';

const key = { kid: 'a', privatePem: fuzzSecret, state: 'current' };
const ring = { version: 1, keys: [key, { ...key, kid: 'b', state: 'retired', retiredAt: 2 }] };
const keys = ['version', 'keys', 'kid', 'privatePem', 'state', 'retiredAt', '__proto__'];

describe('signing keys as the way out reads them', () => {
  it(
    'any text is keys of texts, or refused by an error that names the Secret and shows no key',
    () => {
      fuzz((dice) => {
        const text = brokenText(dice, JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, ring, keys) : ring));
        const read = readOr(
          () => tokenKeysFrom(text),
          (error) => error.message.startsWith('Secret isthmus-signing-keys, key keys.json: '),
        );
        for (const found of [read?.current, read?.previous])
          if (found !== undefined && typeof found.kid + typeof found.privatePem !== 'stringstring')
            throw new Error(text);
        if (text === JSON.stringify(ring) && read?.current?.kid !== 'a')
          throw new Error('the ring itself must be read');
      });
    },
    fuzzLimitMs,
  );
});
