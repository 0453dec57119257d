import { beforeEach, describe, expect, it } from '@jest/globals';
import { StoreUnavailableError } from '#store';
import { trustedPeer } from '#testing';
import { tokenSkewSeconds } from '#trust';
import { admit } from './admit.js';
import { Refusal } from './refusal.js';
import { TokenBuckets } from './token-bucket.js';
import { UsedTokens } from './used-tokens.js';

const now = 1_763_700_000_999;
const seconds = now / 1000;

describe('a proven peer', () => {
  let accept: (sub: string, jti: string, expiresAt: number) => Promise<boolean>;
  let memoryOnly: number;
  let parts: Parameters<typeof admit>[0];

  beforeEach(() => {
    accept = () => Promise.resolve(true);
    memoryOnly = 0;
    parts = {
      usedTokens: new UsedTokens({ accept: (...asked) => accept(...asked) }, () => now),
      peerBuckets: new TokenBuckets({ perSecond: 1, burst: 2 }),
      metrics: { replayMemoryOnly: { inc: () => (memoryOnly += 1) } },
      now: () => now,
    };
  });

  const comes = (jti: string | undefined, exp = seconds + 60): Promise<void> =>
    admit(parts, {
      peer: trustedPeer(),
      claims: { sub: 'u', scope: 'api', exp, ...(jti === undefined ? {} : { jti }) },
    });
  const refusalOf = (work: () => unknown): string | undefined => {
    try {
      work();
    } catch (error) {
      return error instanceof Refusal ? `${error.getStatus()} ${error.reason}` : String(error);
    }
    return undefined;
  };

  it('comes in with a token that nobody has seen', async () => {
    await comes('one');
    expect(memoryOnly).toBe(0);
  });

  it('is refused at once with one that this process has seen', async () => {
    await comes('one');
    expect(refusalOf(() => comes('one'))).toBe('401 replayed');
  });

  it('is refused with one that another replica has seen, when the store says so', async () => {
    accept = () => Promise.resolve(false);
    await expect(comes('one')).rejects.toMatchObject({ reason: 'replayed' });
  });

  it('comes in, and is counted, where the store cannot be asked', async () => {
    accept = () => Promise.reject(new StoreUnavailableError('away'));
    await comes('one');
    expect(memoryOnly).toBe(1);
  });

  it('is refused beyond its own limit, whatever the token', async () => {
    await comes('one');
    await comes('two');
    expect(refusalOf(() => comes('three'))).toBe('429 peer-limit');
  });

  it('comes in with a token without an id, as often as it likes: who may do so was asked before', async () => {
    await comes(undefined);
    await comes(undefined);
  });

  it.each([
    ['of a minute', 60, 60],
    ['as long as any, by the clock of its sender, which is ahead', 300 + tokenSkewSeconds, 300 + tokenSkewSeconds],
    ['of a year: not for a year', 31_536_000, 300.001 + tokenSkewSeconds],
  ])('has its token’s id remembered for as long as it may be taken: one %s', async (_what, lifetime, expected) => {
    let until = 0;
    accept = (_sub, _jti, expiresAt) => {
      until = expiresAt;
      return Promise.resolve(true);
    };
    await comes('one', seconds + lifetime);
    expect(until).toBeCloseTo(seconds + expected + tokenSkewSeconds, 6);
  });
});
