import { describe, expect, it } from '@jest/globals';
import { backoffDelay } from './backoff.js';

const backoff = { firstMs: 100, mostMs: 1000, jitter: 0.2 };

describe('backoffDelay', () => {
  it.each([
    [1, 0.5, 100],
    [2, 0.5, 200],
    [4, 0.5, 800],
    [5, 0.5, 1000],
    [5000, 0.5, 1000],
    [0, 0.5, 100],
    [1, 0, 80],
    [1, 1, 120],
  ])('after %d failures with chance %d waits %d ms', (failures, random, expected) => {
    expect(backoffDelay(backoff, failures, random)).toBe(expected);
  });
});
