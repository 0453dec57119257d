import { createHash } from 'node:crypto';
import type { Secret } from '#istio-api';
import { annotations, documentSecretName, kindWord, labels, names, peerKey } from '#model';
import type { PeerRef } from '#model';
import type { FederationDocumentContent, MulticlusterDocumentContent } from '#planner';
import { encodeFederationDocument, encodeMulticlusterDocument, encodePublicDocument } from '#protocol';
import { encodeSpiffeBundle, nextSequence, privatePayloadFor, publicPayloadFor, signDocument } from '#trust';
import type { Freshness, SigningIdentity } from '#trust';
import { currentKey } from '../identity/key-ring.js';
import type { SigningState } from '../identity/identity-keeper.js';
import { isWhole, secretsFor } from '../shards.js';
import { asWritten } from './as-written.js';

/** A signed document is good for an hour and made anew after twenty minutes: a dead controller is noticed by peers within the hour. */
export const documentLifetimeSeconds = 3600;
export const documentRefreshMs = 20 * 60 * 1000;
/** Peer key of whom a document was made for. */
export const peerAnnotation = 'isthmus.dev/peer';
const contentAnnotation = 'isthmus.dev/content';
const signedAtAnnotation = 'isthmus.dev/signed-at';

/** What a private document says, by the kind of its peer. */
export type DocumentContent = FederationDocumentContent | MulticlusterDocumentContent;

/** One document to be served, as content; it is signed only when content, key or age ask for it. */
export interface DocumentOrder {
  readonly peer: PeerRef;
  readonly peerUUID: string;
  readonly content: DocumentContent;
}

/** Secrets of one document: as they stand, or as they will be once it is signed. */
export type DocumentDraft = readonly Secret[] | UnsignedDocument;

export interface UnsignedDocument {
  readonly sort: 'public' | 'private';
  readonly payload: object;
  readonly key: SigningIdentity;
  readonly secretsOf: (signed: string) => readonly Secret[];
}

/** The Secrets of these documents, signed where they must be. */
export async function signedSecrets(drafts: readonly DocumentDraft[]): Promise<readonly Secret[]> {
  const secrets = await Promise.all(
    drafts.map(async (draft) =>
      'payload' in draft ? draft.secretsOf(await signDocument(draft.sort, draft.payload, draft.key)) : draft,
    ),
  );
  return secrets.flat();
}

/** One private document; the live Secrets, in order, come back unchanged when they are whole and nothing asks for a new signature. */
export function privateDocument(
  order: DocumentOrder,
  signing: SigningState,
  live: readonly Secret[],
  place: { readonly namespace: string; readonly now: number },
): DocumentDraft {
  const key = currentKey(signing.ring);
  if (key === undefined) return live.map(asWritten);
  const content = JSON.stringify(order.content);
  const digest = contentDigest([content, key.kid, order.peerUUID, signing.identity.clusterUUID]);
  const [first] = live;
  // Of a writing that was cut short nothing is kept: it is all written anew.
  if (first !== undefined && isWhole(live) && isFresh(first, digest, place.now)) return live.map(asWritten);
  const last = Math.max(0, ...live.map(({ metadata }) => Number(metadata?.annotations?.[annotations.sequence] ?? 0)));
  const seq = nextSequence(last, place.now);
  const parties = { clusterUUID: signing.identity.clusterUUID, audience: order.peerUUID };
  const payload = privatePayloadFor(order.content, parties, freshness(seq, place.now));
  const secretsOf = (signed: string): readonly Secret[] =>
    secretsFor({
      namespace: place.namespace,
      nameOf: (shard) => documentSecretName(order.peer, shard),
      text: encoded(order.content, signed),
      labels: {
        [labels.document]: 'private',
        [labels.peerKind]: kindWord(order.peer.kind),
        [labels.peerName]: order.peer.name,
      },
      annotations: {
        [annotations.peerUUID]: order.peerUUID,
        [annotations.sequence]: String(seq),
        [contentAnnotation]: digest,
        [signedAtAnnotation]: String(place.now),
        [peerAnnotation]: peerKey(order.peer),
      },
    });
  return { sort: 'private', payload, key, secretsOf };
}

function freshness(seq: number, now: number): Freshness {
  return { seq, now, lifetimeSeconds: documentLifetimeSeconds };
}

function encoded(content: DocumentContent, signed: string): string {
  return 'apiHost' in content
    ? encodeMulticlusterDocument({ ...content, signed })
    : encodeFederationDocument({ ...content, signed });
}

/** Public document and SPIFFE bundle, in one Secret; undefined while there is nothing to say. */
export function publicDocument(
  { signing, tlsCA }: { readonly signing: SigningState; readonly tlsCA: string },
  live: Secret | undefined,
  place: { readonly namespace: string; readonly now: number },
): DocumentDraft | undefined {
  const key = currentKey(signing.ring);
  if (key?.chain === undefined) return live === undefined ? undefined : [asWritten(live)];
  const keys = signing.ring.keys.map(({ kid, publicPem, state }) => ({ kid, pem: publicPem, state }));
  const { identity, roots, crls, crossCertificates } = signing;
  const facts = { identity, roots, keys, keyChain: key.chain, tlsCA, crls, crossCertificates };
  const digest = contentDigest([JSON.stringify(facts), key.kid]);
  if (live !== undefined && isFresh(live, digest, place.now)) return [asWritten(live)];
  const seq = nextSequence(Number(live?.metadata?.annotations?.[annotations.sequence] ?? 0), place.now);
  const plain = {
    clusterUUID: identity.clusterUUID,
    authnKeyPub: key.publicPem,
    rootCA: roots.join(''),
    ...(crls.length === 0 ? {} : { crl: crls.join('') }),
  };
  const bundle = encodeSpiffeBundle({ roots, sequence: seq, refreshHintSeconds: 300 });
  const secretOf = (signed: string): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      namespace: place.namespace,
      name: names.publicDocumentSecret,
      labels: { [labels.managedBy]: labels.managedByValue },
      annotations: {
        [annotations.sequence]: String(seq),
        [contentAnnotation]: digest,
        [signedAtAnnotation]: String(place.now),
      },
    },
    data: {
      'public.json': base64(encodePublicDocument({ ...plain, signed })),
      'spiffe-bundle.json': base64(bundle),
      seq: base64(String(seq)),
    },
  });
  const payload = publicPayloadFor(facts, freshness(seq, place.now));
  return { sort: 'public', payload, key, secretsOf: (signed) => [secretOf(signed)] };
}

function isFresh(secret: Secret, digest: string, now: number): boolean {
  const given = secret.metadata?.annotations ?? {};
  return given[contentAnnotation] === digest && now - Number(given[signedAtAnnotation] ?? 0) < documentRefreshMs;
}

function contentDigest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
