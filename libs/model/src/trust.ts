import { hasFields, isText } from './fields.js';
import { compareText } from './text-order.js';
import { names } from './names.js';
import type { PeerRef, Scope } from './peer.js';
import { fitsSecret, textAsData, valueInData } from './registry-secret.js';
import type { SecretData } from './registry-secret.js';

/** A peer's public signing key: PEM (PKIX, Ed25519), `kid` = RFC 7638 thumbprint, base64url. */
export interface TrustedKey {
  readonly kid: string;
  readonly pem: string;
  readonly state: 'current' | 'next' | 'retired';
}

/** What this cluster trusts of one peer now: identity, roots (one PEM certificate each), keys, complete CRL sets. */
export interface TrustedPeer extends PeerRef {
  readonly clusterUUID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly roots: readonly string[];
  readonly keys: readonly TrustedKey[];
  /** True once the peer has shown a signed document; its tokens must then carry `jti`. */
  readonly signed: boolean;
  readonly crls: readonly string[];
  readonly scopes: readonly Scope[];
  readonly legacyAPITokens: boolean;
  /** May create token and subject-access reviews here; absent = no. */
  readonly allowReviews?: boolean;
}

/** Content of Secret `isthmus-trust`: only peers that are trusted at this moment. */
export interface TrustRegistry {
  readonly version: 1;
  readonly peers: readonly TrustedPeer[];
}

export const emptyTrustRegistry: TrustRegistry = { version: 1, peers: [] };

/** Canonical JSON of a registry: peers sorted, so equal trust gives equal bytes. */
export function formatTrustRegistry(registry: TrustRegistry): string {
  const peers = [...registry.peers].sort((a, b) => compareText(a.kind, b.kind) || compareText(a.name, b.name));
  return JSON.stringify({ version: 1, peers });
}

const keys = { plain: names.trustKey, compressed: names.trustCompressedKey };

/** `data` of Secret `isthmus-trust`, base64 as the Kubernetes API takes it. Same trust, same bytes. */
export function trustSecretData(registry: TrustRegistry): SecretData {
  return textAsData(formatTrustRegistry(registry), keys);
}

/** True when Kubernetes takes a Secret with this registry. */
export function fitsTrustSecret(registry: TrustRegistry): boolean {
  return fitsSecret(trustSecretData(registry));
}

/** The registry in `data` of Secret `isthmus-trust`, plain or compressed; undefined when there is none. @throws Error that names the Secret when it is something else */
export function trustRegistryIn(data: SecretData | undefined): TrustRegistry | undefined {
  const remedy = 'not a trust registry of version 1; delete it and the controller writes it anew';
  return valueInData(data, keys, isRegistry, `Secret isthmus-trust, key trust.json: ${remedy}`);
}

function isRegistry(value: unknown): value is TrustRegistry {
  return hasFields(value, [], { peers: isPeer }) && value['version'] === 1;
}

function isPeer(value: unknown): boolean {
  const keysOf = (key: unknown): boolean => hasFields(key, ['kid', 'pem', 'state']);
  return hasFields(value, ['kind', 'name', 'clusterUUID', 'trustDomain', 'clusterDomain'], {
    roots: isText,
    crls: isText,
    scopes: isText,
    keys: keysOf,
  });
}
