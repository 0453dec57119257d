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

/** Compact JWS over the public facts. */
export function signPublicDocument(facts: PublicFacts, freshness: Freshness, signer: SigningIdentity): string {
  const { identity } = facts;
  const payload: SignedPublicPayload = {
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
  return signJws(payload, createPrivateKey(signer.privatePem), { kid: signer.kid, typ: 'isthmus-public+jws' });
}

/** Compact JWS over a private document's content, made for one peer: `aud` is that peer's cluster UUID. */
export function signPrivateDocument(
  content: object,
  parties: { readonly clusterUUID: string; readonly audience: string },
  freshness: Freshness,
  signer: SigningIdentity,
): string {
  const payload = {
    ver: protocolVersion,
    clusterUUID: parties.clusterUUID,
    aud: parties.audience,
    ...stamp(freshness),
    ...content,
  };
  return signJws(payload, createPrivateKey(signer.privatePem), { kid: signer.kid, typ: 'isthmus-private+jws' });
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
