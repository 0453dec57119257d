import { peerKey } from '#model';
import type { TrustedPeer } from '#model';
import { tokenSkewSeconds } from '#trust';
import { judgeToken } from '../auth/peer-strategy.js';
import type { VerifiedPeer } from '../auth/peer-strategy.js';
import { Refusal } from '../auth/refusal.js';
import type { TokenBuckets } from '../auth/token-bucket.js';
import type { UsedTokens } from '../auth/used-tokens.js';
import type { Knowledge } from '../documents/knowledge.js';
import { valuesOf } from './request-head.js';
import type { HeaderField } from './request-head.js';

/** Longest that a used token id is remembered: only tokens that could do without an id live longer. */
const rememberedSeconds = 300;

export interface AuthenticateParts {
  readonly knowledge: Pick<Knowledge, 'registry' | 'clusterUUID' | 'stillTrusts'>;
  readonly usedTokens: UsedTokens;
  readonly peerBuckets: TokenBuckets;
  /** Counts tokens that other replicas could not be asked about. */
  readonly memoryOnly: { inc(): void };
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Who asks: token, then the peer's own limit, then the replay record; throws `Refusal`. Each request proves itself anew. */
export async function authenticate(parts: AuthenticateParts, headers: readonly HeaderField[]): Promise<TrustedPeer> {
  const { knowledge, usedTokens, peerBuckets, memoryOnly, now } = parts;
  const [value = ''] = valuesOf(headers, 'authorization');
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(value)?.[1];
  if (token === undefined) throw new Refusal(401, 'no-token', 'send "Authorization: Bearer <token>"');
  const judge = (): Promise<VerifiedPeer> => {
    const { registry, clusterUUID: audience } = knowledge;
    return judgeToken(token, { registry, audience, scope: 'api', now: now() });
  };
  const { peer, claims } = await judge();
  const wait = peerBuckets.take(peerKey(peer), now());
  if (wait > 0)
    throw new Refusal(429, 'peer-limit', 'too many requests of this peer', { peer, retryAfterSeconds: wait });
  if (claims.jti !== undefined) {
    const end = Math.min(claims.exp, Math.floor(now() / 1000) + rememberedSeconds) + tokenSkewSeconds;
    const use = await usedTokens.use(claims.sub, claims.jti, end);
    if (use === 'replayed')
      throw new Refusal(401, 'replayed', 'token: this jti was used before; issue one token for each request', { peer });
    if (use === 'first-memory-only') memoryOnly.inc();
  }
  // Trust may have changed meanwhile: the token counts if what is known now still proves it.
  let proven = peer;
  while (!knowledge.stillTrusts(proven, 'api')) proven = (await judge()).peer;
  return proven;
}
