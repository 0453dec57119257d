import { describe, expect, it } from '@jest/globals';
import { StreamRate } from './stream-rate.js';

function admitted(rate: StreamRate, tries: number): number {
  return Array.from({ length: tries }, () => rate.admits()).filter(Boolean).length;
}

describe('rate of new streams', () => {
  it('admits a second’s worth at once and then as many a second', () => {
    const time = { at: 0 };
    const rate = new StreamRate(10, { now: () => time.at });
    expect(admitted(rate, 50)).toBe(10);
    time.at = 500;
    expect(admitted(rate, 50)).toBe(5);
    time.at = 60_000;
    expect(admitted(rate, 50)).toBe(10);
  });

  it('admits all when the limit is 0', () => {
    expect(admitted(new StreamRate(0, { now: () => 0 }), 5000)).toBe(5000);
  });

  it('does not mind a clock that goes back', () => {
    const time = { at: 10_000 };
    const rate = new StreamRate(1, { now: () => time.at });
    expect(rate.admits()).toBe(true);
    time.at = 0;
    expect(rate.admits()).toBe(false);
    time.at = 1_000;
    expect(rate.admits()).toBe(true);
  });
});
