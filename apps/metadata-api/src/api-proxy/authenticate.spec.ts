import { describe, expect, it } from '@jest/globals';
import type { TrustedPeer, TrustRegistry } from '#model';
import { generateSigningKey, issueToken } from '#trust';
import { TokenBuckets } from '../auth/token-bucket.js';
import { UsedTokens } from '../auth/used-tokens.js';
import { authenticate } from './authenticate.js';

const [current, old] = [generateSigningKey(), generateSigningKey()];
const now = 1_763_700_000_000;
const audience = '11111111-1111-4111-8111-111111111111';

function trusting(...keys: readonly (typeof current)[]): TrustRegistry {
  const known = keys.map(({ kid, publicPem: pem }) => ({ kid, pem, state: 'current' as const }));
  const who = { kind: 'IstioMulticluster', name: 'west', clusterUUID: 'u-west', signed: true };
  const peer = { ...who, keys: known, scopes: ['private-multicluster', 'api'] } as unknown as TrustedPeer;
  return { version: 1, peers: keys.length === 0 ? [] : [peer] };
}

/** Asks with a token of the current key; trust becomes another while the replay record is asked. */
async function askedWhile(before: TrustRegistry, after: TrustRegistry): Promise<readonly string[]> {
  let registry = before;
  const accept = (): Promise<boolean> => {
    registry = after;
    return Promise.resolve(true);
  };
  const { privatePem, kid } = current;
  const whose = { subject: 'u-west', audience, scope: 'api' as const, now, jti: 'one' };
  const token = await issueToken({ privatePem, kid, ...whose });
  const { peer } = await authenticate(
    {
      knowledge: {
        get registry() {
          return registry;
        },
        clusterUUID: audience,
        stillTrusts: (asked) => registry.peers.includes(asked),
      },
      usedTokens: new UsedTokens({ accept }, () => now),
      peerBuckets: new TokenBuckets({ perSecond: 1, burst: 1 }),
      metrics: { replayMemoryOnly: { inc: () => undefined } },
      now: () => now,
    },
    [['authorization', `Bearer ${token}`]],
  );
  return peer.keys.map(({ kid: known }) => known);
}

describe('a token whose peer changes while the replay record is asked', () => {
  it('is good when another key was dropped, for the peer as it is now', async () => {
    expect(await askedWhile(trusting(current, old), trusting(current))).toEqual([current.kid]);
  });

  it.each([
    ['its own key was dropped', trusting(old), 'unknown-key', 401],
    ['the peer is no longer trusted', trusting(), 'untrusted-peer', 403],
  ])('is refused when %s', async (_what, after, reason, status) => {
    await expect(askedWhile(trusting(current, old), after)).rejects.toMatchObject({ reason, status });
  });
});
