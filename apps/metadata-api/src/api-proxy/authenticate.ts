import { peerKey } from '#model';
import type { TrustedPeer } from '#model';
import { tokenSkewSeconds } from '#trust';
import type { TokenClaims } from '#trust';
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

/** Who asks, and what is still to be told of his token. */
export interface Proof {
  readonly peer: TrustedPeer;
  /** Resolves when no replica has seen the token before, as far as the store can say; rejects with a `Refusal`. Nothing is answered before. */
  readonly unused: Promise<void>;
}

/** Token, then the peer's own limit, then the replay record; throws `Refusal`. Each request proves itself anew. */
export async function authenticate(parts: AuthenticateParts, headers: readonly HeaderField[]): Promise<Proof> {
  const { knowledge, peerBuckets, now } = parts;
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
  const unused = firstUse(parts, peer, claims);
  // Trust may have changed meanwhile: the token counts if what is known now still proves it.
  let proven = peer;
  while (!knowledge.stillTrusts(proven, 'api')) proven = (await judge()).peer;
  return { peer: proven, unused };
}

/** @throws Refusal at once where this process has seen the token id before; rejects with it where another replica has. */
function firstUse(
  { usedTokens, memoryOnly, now }: AuthenticateParts,
  peer: TrustedPeer,
  { sub, jti, exp }: TokenClaims,
): Promise<void> {
  if (jti === undefined) return Promise.resolve();
  const replayed = (): Refusal =>
    new Refusal(401, 'replayed', 'token: this jti was used before; issue one token for each request', { peer });
  const end = Math.min(exp, Math.floor(now() / 1000) + rememberedSeconds) + tokenSkewSeconds;
  const claimed = usedTokens.claim(sub, jti, end);
  if (claimed === undefined) throw replayed();
  const told = claimed.then((use) => {
    if (use === 'replayed') throw replayed();
    if (use === 'first-memory-only') memoryOnly.inc();
  });
  // Whoever gives up before it is told need not listen.
  told.catch(() => undefined);
  return told;
}
