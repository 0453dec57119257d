import type { TrustedPeer } from '#model';
import { admit } from '../auth/admit.js';
import type { AdmitParts } from '../auth/admit.js';
import { judgeToken } from '../auth/peer-strategy.js';
import type { VerifiedPeer } from '../auth/peer-strategy.js';
import { Refusal } from '../auth/refusal.js';
import type { Knowledge } from '../documents/knowledge.js';
import { valuesOf } from './request-head.js';
import type { HeaderField } from './request-head.js';

export interface AuthenticateParts extends AdmitParts {
  readonly knowledge: Pick<Knowledge, 'registry' | 'clusterUUID' | 'stillTrusts'>;
}

/** Who asks, and what is still to be told of his token. */
export interface Proof {
  readonly peer: TrustedPeer;
  /** Resolves when no replica has seen the token before, as far as the store can say; rejects with a `Refusal`. Nothing is answered before. */
  readonly unused: Promise<void>;
}

/** Token, then the peer's own limit, then the replay record; throws `Refusal`. Each request proves itself anew. */
export async function authenticate(parts: AuthenticateParts, headers: readonly HeaderField[]): Promise<Proof> {
  const { knowledge, now } = parts;
  const [value = ''] = valuesOf(headers, 'authorization');
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(value)?.[1];
  if (token === undefined) throw new Refusal(401, 'no-token', 'send "Authorization: Bearer <token>"');
  const judge = (): Promise<VerifiedPeer> => {
    const { registry, clusterUUID: audience } = knowledge;
    return judgeToken(token, { registry, audience, scope: 'api', now: now() });
  };
  const verified = await judge();
  const unused = admit(parts, verified);
  // Whoever gives up before it is told need not listen.
  unused.catch(() => undefined);
  // Trust may have changed meanwhile: the token counts if what is known now still proves it.
  let proven = verified.peer;
  while (!knowledge.stillTrusts(proven, 'api')) proven = (await judge()).peer;
  return { peer: proven, unused };
}
