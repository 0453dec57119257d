import { hasFields, isText, parsedJson } from '#model';
import type { TrustedKey } from '#model';
import { listsLeaveAt } from './crl.js';

/** What vouched for a peer when it was first met (trust rule 4). */
export type FirstContact = 'Pinned' | 'VerifiedCA' | 'Blind';

/** Verified facts of a peer, from its public document. PEM each; times in Unix milliseconds. */
export interface PeerFacts {
  readonly clusterUUID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly clusterID?: string;
  readonly networkName?: string;
  readonly roots: readonly string[];
  readonly keys: readonly TrustedKey[];
  /** Complete and current set, or empty (trust rule 12). */
  readonly crls: readonly string[];
  /** When the first of `crls` ends: `listsInForce` says until when they are used. */
  readonly crlsUntil?: number;
  /** Why the lists that the peer published are not used. */
  readonly crlFault?: string;
  readonly tlsCA?: string;
  /** True once a signed document was accepted; never false again (trust rule 5). */
  readonly signed: boolean;
  /** Sequence of the public document; 0 for legacy peers. */
  readonly seq: number;
  /** When the signed document ends. */
  readonly expiresAt?: number;
}

/** Everything remembered of one peer: content of Secrets `isthmus-peer-*`. */
export interface PeerMemory {
  readonly version: 1;
  readonly facts: PeerFacts;
  readonly firstContact: FirstContact;
  readonly firstContactAt: number;
  /** Digest of the `spec.pins` that vouched for the facts: the same pins need not vouch again for what came by continuity. */
  readonly pinnedBy?: string;
  readonly publicDocument: RememberedDocument;
  /** Last good private document, as text, with the sequence it carried (0 for legacy peers) and when it ends where it is signed. */
  readonly privateDocument?: RememberedDocument & { readonly body: string; readonly expiresAt?: number };
}

/** When a document came and last changed (Unix ms), with its digest (`sha256:<hex>`). */
export interface RememberedDocument {
  readonly seq: number;
  readonly fetchedAt: number;
  readonly changedAt: number;
  readonly digest: string;
}

/** Reads what `JSON.stringify` of a memory gave. @throws Error when it is something else, which shows nothing of it */
export function parsePeerMemory(text: string): PeerMemory {
  const value = parsedJson(text);
  if (isMemory(value)) return value;
  throw new Error('not a peer memory of version 1');
}

function isMemory(value: unknown): value is PeerMemory {
  if (!hasFields(value, ['firstContact']) || value['version'] !== 1) return false;
  const { facts, publicDocument, privateDocument } = value;
  const keys = (key: unknown): boolean => hasFields(key, ['kid', 'pem', 'state']);
  return (
    hasFields(facts, ['clusterUUID', 'trustDomain', 'clusterDomain'], { roots: isText, crls: isText, keys }) &&
    hasFields(publicDocument, ['digest']) &&
    (privateDocument === undefined || hasFields(privateDocument, ['digest', 'body']))
  );
}

type Lists = Pick<PeerFacts, 'crls' | 'crlsUntil'>;

/** The peer's lists as long as they may be handed to proxies; else none. */
export function listsInForce(facts: Lists, now: number): readonly string[] {
  return listsLeaveInMs(facts, now) === undefined ? [] : facts.crls;
}

/** Milliseconds until the peer's lists are used no longer; undefined where none are. */
export function listsLeaveInMs({ crls, crlsUntil = 0 }: Lists, now: number): number | undefined {
  const left = listsLeaveAt(crlsUntil) - now;
  return crls.length > 0 && left > 0 ? left : undefined;
}
