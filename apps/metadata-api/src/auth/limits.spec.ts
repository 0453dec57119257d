import { describe, expect, it } from '@jest/globals';
import { StoreUnavailableError } from '#store';
import { sourceKey, TokenBuckets } from './token-bucket.js';
import { UsedTokens } from './used-tokens.js';
import type { TokenUse } from './used-tokens.js';

describe('TokenBuckets', () => {
  it('gives the burst, then the rate, and says how long to wait', () => {
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3 });
    const takes = (now: number): number[] => [1, 2, 3, 4].map(() => buckets.take('a', now));
    expect(takes(0)).toEqual([0, 0, 0, 1]);
    expect(takes(1_000)).toEqual([0, 0, 1, 1]);
    expect(buckets.take('b', 1_000)).toBe(0);
    expect(takes(3_600_000)).toEqual([0, 0, 0, 1]);
  });

  it('keeps still when the clock goes back', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 });
    expect([buckets.take('a', 5_000), buckets.take('a', 1_000), buckets.take('a', 2_000)]).toEqual([0, 1, 0]);
  });

  it('forgets the least recently used key beyond its bound', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 2);
    for (const key of ['a', 'b', 'a', 'c']) buckets.take(key, 0);
    expect([buckets.take('a', 0), buckets.take('b', 0)]).toEqual([1, 0]);
  });
});

describe('sourceKey', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, 'unknown'],
  ])('%s', (address, expected) => expect(sourceKey(address)).toBe(expected));
});

describe('UsedTokens', () => {
  const record = (answer: () => Promise<boolean>): { accept: () => Promise<boolean> } => ({ accept: answer });
  const yes = (): Promise<boolean> => Promise.resolve(true);
  const use = async (used: UsedTokens, ...id: Parameters<UsedTokens['claim']>): Promise<TokenUse> =>
    (await used.claim(...id)) ?? 'replayed';

  it('takes an id once for each caller', async () => {
    const used = new UsedTokens(record(yes), () => 0);
    expect(await use(used, 'a', 'x', 60)).toBe('first');
    expect(await use(used, 'a', 'x', 60)).toBe('replayed');
    expect(await use(used, 'b', 'x', 60)).toBe('first');
  });

  it('keeps callers apart whatever their names hold', async () => {
    const used = new UsedTokens(record(yes), () => 0);
    expect(await use(used, 'a","b', 'c', 60)).toBe('first');
    expect(await use(used, 'a', 'b","c', 60)).toBe('first');
  });

  it('believes the store about other replicas', async () => {
    expect(
      await use(
        new UsedTokens(
          record(() => Promise.resolve(false)),
          () => 0,
        ),
        'a',
        'x',
        60,
      ),
    ).toBe('replayed');
  });

  it('goes on by memory when the store is away or slow, and says so', async () => {
    const away = new UsedTokens(
      record(() => Promise.reject(new StoreUnavailableError('away'))),
      () => 0,
    );
    expect([await use(away, 'a', 'x', 60), await use(away, 'a', 'x', 60)]).toEqual(['first-memory-only', 'replayed']);
    const slow = new UsedTokens(
      record(() => new Promise(() => undefined)),
      () => 0,
    );
    expect(await use(slow, 'a', 'x', 60)).toBe('first-memory-only');
  });

  it('forgets what expired', async () => {
    let now = 0;
    const used = new UsedTokens(record(yes), () => now);
    for (let i = 0; i < 100; i += 1) await use(used, 'a', String(i), 60);
    now = 90_000;
    await use(used, 'a', 'later', 200);
    expect(used.size).toBe(1);
  });
});
