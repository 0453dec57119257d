import { peerKey } from '#model';
import { furthestExpirySeconds, tokenSkewSeconds } from '#trust';
import type { VerifiedPeer } from './peer-strategy.js';
import { Refusal } from './refusal.js';
import type { TokenBuckets } from './token-bucket.js';
import type { UsedTokens } from './used-tokens.js';

/** Longest that a used token id is remembered: as long as the one that ends last, by its sender's clock; only tokens that could do without an id live longer. */
const rememberedSeconds = furthestExpirySeconds + tokenSkewSeconds;

export interface AdmitParts {
  readonly usedTokens: UsedTokens;
  readonly peerBuckets: TokenBuckets;
  /** Counts tokens that other replicas could not be asked about. */
  readonly metrics: { readonly replayMemoryOnly: { inc(): void } };
  /** Unix milliseconds. */
  readonly now: () => number;
}

/**
 * The peer's own limit, then the replay record. Resolves when no replica has seen the token before, as far as the store can say.
 * @throws Refusal at once over the limit, or where this process has seen the token; rejects with it where another replica has
 */
export function admit({ usedTokens, peerBuckets, metrics, now }: AdmitParts, verified: VerifiedPeer): Promise<void> {
  const { peer, claims } = verified;
  const wait = peerBuckets.take(peerKey(peer), now());
  if (wait > 0)
    throw new Refusal(429, 'peer-limit', 'too many requests of this peer', { peer, retryAfterSeconds: wait });
  if (claims.jti === undefined) return Promise.resolve();
  const replayed = (): Refusal =>
    new Refusal(401, 'replayed', 'token: this jti was used before; issue one token for each request', { peer });
  const end = Math.min(claims.exp, Math.ceil(now() / 1000) + rememberedSeconds) + tokenSkewSeconds;
  const claimed = usedTokens.claim(claims.sub, claims.jti, end);
  if (claimed === undefined) throw replayed();
  return claimed.then((use) => {
    if (use === 'replayed') throw replayed();
    if (use === 'first-memory-only') metrics.replayMemoryOnly.inc();
  });
}
