import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { nextCaChangeMs } from '#trust';
import type { CaFiles, CaRotation } from '#trust';
import { rotationOf } from './ca-secret.js';

const whole: Required<CaRotation> = {
  request: fuzzSecret,
  announcedAt: 1,
  switchedAt: 2,
  leaving: ['ab', 'cd'],
  leavingUntil: 3,
  issuedUntil: 4,
};
const names = [...Object.keys(whole), '__proto__', 'x'];
const pair = { 'ca-cert.pem': '', 'ca-key.pem': '' };

describe('how far a change of roots has come, as its Secret says', () => {
  it(
    'any text is a state that goes on at a known time, or refused by an error that names the key and the remedy and shows nothing of it',
    () =>
      fuzzBothWays((dice) => {
        const text = brokenText(dice, JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, whole, names) : whole));
        const rotation = readOr(
          () => rotationOf(text),
          ({ message }) => /^rotation\.json: .{1,100}; remove the key/.test(message),
        );
        if (rotation === undefined) return false;
        for (const next of [{}, { next: pair }]) {
          const wait = nextCaChangeMs({ files: pair as CaFiles, ...next, rotation }, { now: 10, announceMs: 5 });
          if (wait !== undefined && !(Number.isFinite(wait) && wait >= 0)) throw new Error(`${wait} ms`);
        }
        [rotation.request ?? '', ...(rotation.leaving ?? [])].forEach((each) => each.trim());
        return true;
      }),
    fuzzLimitMs,
  );
});
