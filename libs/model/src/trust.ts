import { gunzipSync, gzipSync } from 'node:zlib';
import { names } from './names.js';
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

/** A registry up to this size is written as plain text, which every version reads; beyond it is compressed. */
const mostPlainBytes = 512 * 1024;
/** Kubernetes refuses Secrets beyond 1 MiB of data. */
const mostSecretBytes = 960 * 1024;
/** Far more than we write is no registry of ours. */
const mostReadBytes = 16 * 1024 * 1024;

/** `data` of Secret `isthmus-trust`, base64 as the Kubernetes API takes it. Same trust, same bytes. */
export function trustSecretData(registry: TrustRegistry): Readonly<Record<string, string>> {
  const text = Buffer.from(formatTrustRegistry(registry), 'utf8');
  return text.length <= mostPlainBytes
    ? { [names.trustKey]: text.toString('base64') }
    : { [names.trustCompressedKey]: gzipSync(text).toString('base64') };
}

/** True when Kubernetes takes a Secret with this registry. */
export function fitsTrustSecret(registry: TrustRegistry): boolean {
  const bytes = Object.values(trustSecretData(registry)).reduce((sum, value) => sum + (value.length * 3) / 4, 0);
  return bytes <= mostSecretBytes;
}

/** The registry in `data` of Secret `isthmus-trust`, plain or compressed; undefined when there is none. Throws when it is something else. */
export function trustRegistryIn(data: Readonly<Record<string, string>> | undefined): TrustRegistry | undefined {
  const { [names.trustKey]: plain, [names.trustCompressedKey]: compressed } = data ?? {};
  if (compressed !== undefined) {
    const text = gunzipSync(Buffer.from(compressed, 'base64'), { maxOutputLength: mostReadBytes });
    return parseTrustRegistry(text.toString('utf8'));
  }
  return plain === undefined ? undefined : parseTrustRegistry(Buffer.from(plain, 'base64').toString('utf8'));
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
