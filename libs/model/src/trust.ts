import type { PeerRef, Scope } from './peer.js';

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
  const peers = [...registry.peers].sort((a, b) => compare(a.kind, b.kind) || compare(a.name, b.name));
  return JSON.stringify({ version: 1, peers });
}

/** Reads what `formatTrustRegistry` wrote; throws an error that names the Secret when the text is something else. */
export function parseTrustRegistry(text: string): TrustRegistry {
  const value: unknown = JSON.parse(text);
  if (!isRegistry(value)) {
    throw new Error(
      'Secret isthmus-trust, key trust.json: not a trust registry of version 1; delete it and the controller writes it anew',
    );
  }
  return value;
}

function isRegistry(value: unknown): value is TrustRegistry {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    'peers' in value &&
    Array.isArray(value.peers)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
