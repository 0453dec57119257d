import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs } from '#testing';
import { writtenAt } from './status-writer.js';

const told = { clusters: { west: { synced: true, lastContact: 1, services: 2, endpoints: 3 } }, at: 1_700_000_000_000 };

describe('what another replica told of remote clusters', () => {
  it(
    'any text has a time, or counts as long gone',
    () =>
      fuzzBothWays((dice) => {
        const whole = JSON.stringify(
          dice.next(2) === 0 ? brokenValue(dice, told, ['at', 'clusters', '__proto__']) : told,
        );
        const at = writtenAt(brokenText(dice, whole));
        if (!Number.isSafeInteger(at)) throw new Error(`${at}`);
        return at > 0;
      }),
    fuzzLimitMs,
  );
});
