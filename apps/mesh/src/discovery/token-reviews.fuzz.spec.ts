import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs } from '#testing';
import { TokenReviews } from './token-reviews.js';

const start = 1_700_000_000_000;
const claims = { aud: ['istio-ca'], exp: start / 1000 + 30, sub: 'system:serviceaccount:demo:client' };
const names = ['exp', 'aud', 'sub', '__proto__'];
const part = (value: unknown): string => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
const identity = { namespace: 'demo', serviceAccount: 'client' };

describe('tokens of workloads, unverified', () => {
  it(
    'any text: the authority’s answer alone counts, for a minute at most, and an end that the token names only shortens it',
    () =>
      fuzzBothWays(async (dice) => {
        const said =
          dice.next(3) === 0 ? { ...claims, exp: start / 1000 + dice.next(90) } : brokenValue(dice, claims, names);
        const whole = `${part({ alg: 'RS256' })}.${part(said)}.c2ln`;
        const token = dice.next(3) === 0 ? brokenText(dice, whole) : whole;
        let [now, asked] = [start, 0];
        const reviews = new TokenReviews(
          () => {
            asked += 1;
            return Promise.resolve({ kind: 'authenticated', identity });
          },
          { now: () => now },
        );
        const kinds = [await reviews.review(token)];
        now += 30_500;
        kinds.push(await reviews.review(token));
        const askedByThen = asked;
        now += 60_000;
        kinds.push(await reviews.review(token));
        if (!kinds.every(({ kind }) => kind === 'authenticated')) throw new Error(JSON.stringify(kinds));
        if (askedByThen > 2 || asked <= 1) throw new Error(`${askedByThen} and ${asked} questions`);
        return askedByThen === 1;
      }),
    fuzzLimitMs,
  );
});
