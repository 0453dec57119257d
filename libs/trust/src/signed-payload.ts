import { createPrivateKey } from 'node:crypto';
import type { ClusterIdentity, TrustedKey } from '#model';
import { signJws } from './jws.js';

export const protocolVersion = 1;
/** A signed document may be this large; its legacy half has limits of its own. */
export const longestSignedBytes = 24 * 1024 * 1024;

/** Payload of `signed` in public.json (protocol: "Public document"); iat and exp in Unix seconds. */
export interface SignedPublicPayload {
  readonly ver: number;
  readonly clusterUUID: string;
  readonly seq: number;
  readonly iat: number;
  readonly exp: number;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly clusterID: string;
  readonly networkName: string;
  readonly roots: readonly string[];
  readonly keys: readonly TrustedKey[];
  /** Certificate of the signing key from the workload CA: leaf, then intermediates. */
  readonly keyChain: readonly string[];
  readonly tlsCA: string;
  readonly crls: readonly string[];
  /** New roots as the old CA certified them (trust rule 6). */
  readonly crossCertificates?: readonly string[];
}

/** What every signed document says of its own freshness. */
export interface Freshness {
  readonly seq: number;
  /** Unix milliseconds. */
  readonly now: number;
  readonly lifetimeSeconds: number;
}

export interface SigningIdentity {
  readonly kid: string;
  readonly privatePem: string;
}

export interface PublicFacts {
  readonly identity: ClusterIdentity;
  readonly roots: readonly string[];
  readonly keys: readonly TrustedKey[];
  readonly keyChain: readonly string[];
  readonly tlsCA: string;
  readonly crls: readonly string[];
  readonly crossCertificates?: readonly string[];
}

/** What a peer is told of this cluster: payload of `signed` in public.json. */
export function publicPayloadFor(facts: PublicFacts, freshness: Freshness): SignedPublicPayload {
  const { identity } = facts;
  return {
    ver: protocolVersion,
    clusterUUID: identity.clusterUUID,
    ...stamp(freshness),
    trustDomain: identity.trustDomain,
    clusterDomain: identity.clusterDomain,
    clusterID: identity.clusterID,
    networkName: identity.networkName,
    roots: facts.roots,
    keys: facts.keys,
    keyChain: facts.keyChain,
    tlsCA: facts.tlsCA,
    crls: facts.crls,
    ...(facts.crossCertificates === undefined ? {} : { crossCertificates: facts.crossCertificates }),
  };
}

/** Who says it, and for whose eyes: cluster UUIDs. */
export interface Parties {
  readonly clusterUUID: string;
  readonly audience: string;
}

/** Payload of `signed` in a private document, made for one peer. */
export function privatePayloadFor(content: object, { clusterUUID, audience }: Parties, freshness: Freshness): object {
  return { ver: protocolVersion, clusterUUID, aud: audience, ...stamp(freshness), ...content };
}

/** `typ` of a signed document, by its sort. */
export const documentType = { public: 'isthmus-public+jws', private: 'isthmus-private+jws' } as const;

/** Compact JWS over a document's payload. */
export function signDocument(
  sort: keyof typeof documentType,
  payload: object,
  { kid, privatePem }: SigningIdentity,
): Promise<string> {
  return signJws(payload, createPrivateKey(privatePem), { kid, typ: documentType[sort] });
}

/** Next sequence number: grows by at least one and keeps near the clock (trust rule 5). */
export function nextSequence(last: number, now: number): number {
  return Math.max(last + 1, now);
}

function stamp({ seq, now, lifetimeSeconds }: Freshness): {
  readonly seq: number;
  readonly iat: number;
  readonly exp: number;
} {
  const iat = Math.floor(now / 1000);
  return { seq, iat, exp: iat + lifetimeSeconds };
}
