import type { PeerFacts } from './peer-facts.js';
import type { ProvenSignatures } from './proven-signatures.js';
import { isCount, openSigned, refused, signerAmong } from './read-signed.js';
import type { Refusal } from './read-signed.js';

export interface PrivateDocumentInput {
  /** `signed` of the document as decoded; absent from legacy peers. */
  readonly signed?: string;
  /** Who made its signature. */
  readonly proven: ProvenSignatures;
  readonly facts: PeerFacts;
  /** Our cluster UUID: the document must be made for us. */
  readonly ownClusterUUID: string;
  /** Sequence of the last document taken. */
  readonly lastSeq: number;
  readonly now: number;
}

/** Where the content comes from: the signed payload, or (legacy peers only) the plain document. */
export type PrivateDocumentVerdict =
  | {
      readonly kind: 'signed';
      readonly seq: number;
      readonly content: Readonly<Record<string, unknown>>;
      readonly expiresAt: number;
    }
  | { readonly kind: 'legacy' }
  | Refusal;

/** Judges the signature of a private document (trust rules 5 and 13): where the peer signs, only signed data counts. Pure. */
export function readPrivateDocument(input: PrivateDocumentInput): PrivateDocumentVerdict {
  if (input.signed === undefined) {
    return input.facts.signed
      ? refused(
          'SignatureInvalid',
          'signed: missing, although this peer signs its documents; the peer must sign this one too',
        )
      : { kind: 'legacy' };
  }
  if (!input.facts.signed) return { kind: 'legacy' };
  const jws = openSigned(input.signed, input.now, 'private document');
  if ('kind' in jws) return jws;
  if (signerAmong(jws, input.facts.keys, input.proven) === undefined)
    return refused('SignatureInvalid', 'private document: no known key of the peer made its signature');
  const { clusterUUID, aud, seq, exp } = jws.payload;
  if (clusterUUID !== input.facts.clusterUUID)
    return refused('SignatureInvalid', 'private document: signed for another cluster’s UUID');
  if (aud !== input.ownClusterUUID)
    return refused('SignatureInvalid', 'private document: made for another cluster (aud)');
  if (!isCount(seq) || seq < input.lastSeq)
    return refused(
      'SignatureInvalid',
      `private document: seq ${String(seq)} is older than ${input.lastSeq}: an old document is being replayed, or the peer lost its state; if it was not restored from a backup, take it for an attack and set spec.pins`,
    );
  return { kind: 'signed', seq, content: jws.payload, expiresAt: Number(exp) * 1000 };
}
