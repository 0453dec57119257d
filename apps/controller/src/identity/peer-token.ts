import { randomUUID } from 'node:crypto';
import type { Scope } from '#model';
import { issueToken } from '#trust';
import type { SigningState } from './identity-keeper.js';
import { currentKey, previousKey } from './key-ring.js';

export interface PeerTokenOrder {
  readonly scope: Scope;
  /** Cluster UUID of the peer. */
  readonly audience: string;
  /** The key before is asked for where a peer has not learnt of this one yet. */
  readonly by: 'current' | 'previous';
  /** Unix milliseconds. */
  readonly now: number;
}

/** A token of this cluster for one request to a peer; undefined while there is no such key. */
export async function peerToken(
  { identity, ring }: Pick<SigningState, 'identity' | 'ring'>,
  { by, ...order }: PeerTokenOrder,
): Promise<string | undefined> {
  const key = by === 'current' ? currentKey(ring) : previousKey(ring);
  if (key === undefined || identity.clusterUUID === '') return undefined;
  const { privatePem, kid } = key;
  return issueToken({ ...order, privatePem, kid, subject: identity.clusterUUID, jti: randomUUID() });
}
