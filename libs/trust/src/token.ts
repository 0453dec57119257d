import { createPrivateKey } from 'node:crypto';
import type { Scope, TrustedPeer, TrustRegistry } from '#model';
import { decodeJws, jwsSignatureHolds, signJws } from './jws.js';
import type { DecodedJws } from './jws.js';
import { readOnce } from './read-once.js';

export const tokenIssuer = 'd8-istio';
const longestBytes = 8192;
/** Clock difference that is forgiven, both ways. */
export const tokenSkewSeconds = 30;
/** Furthest that a token may end, from now. */
export const furthestExpirySeconds = 300;
const furthestLegacyApiExpirySeconds = 400 * 24 * 3600;
const ownLifetimeSeconds = 60;

export interface TokenOrder {
  readonly privatePem: string;
  readonly kid: string;
  /** Caller's cluster UUID. */
  readonly subject: string;
  /** Callee's cluster UUID. */
  readonly audience: string;
  readonly scope: Scope;
  /** Unix milliseconds. */
  readonly now: number;
  /** Unique id: accepted once. */
  readonly jti: string;
}

/** Read once and not for every request: the key in use, and the one before while it is honoured. */
const privateKeyOf = readOnce(2, (pem) => createPrivateKey(pem));

/** A token of one minute for one peer and one scope (protocol: "Tokens"). Rejects where the key is none. */
export async function issueToken(order: TokenOrder): Promise<string> {
  const iat = Math.floor(order.now / 1000);
  const claims = {
    iss: tokenIssuer,
    sub: order.subject,
    aud: order.audience,
    scope: order.scope,
    iat,
    nbf: iat,
    exp: iat + ownLifetimeSeconds,
    jti: order.jti,
  };
  return signJws(claims, privateKeyOf(order.privatePem), { kid: order.kid, typ: 'JWT' });
}

export interface TokenExpectation {
  /** Our cluster UUID. */
  readonly audience: string;
  readonly scope: Scope;
  /** Unix milliseconds. */
  readonly now: number;
}

/** Claims of an accepted token; times in Unix seconds. */
export interface TokenClaims {
  readonly sub: string;
  readonly scope: Scope;
  readonly exp: number;
  readonly jti?: string;
}

/** What a token proved. A `jti` must be remembered until `exp` plus the skew, of a token that may do without one for as long as of one that may not. */
export interface TokenAccepted {
  readonly ok: true;
  readonly peer: TrustedPeer;
  readonly claims: TokenClaims;
}

export type TokenRefusalReason = 'malformed' | 'untrusted-peer' | 'unknown-key' | 'claims' | 'scope' | 'kind';

/** Why a token is not taken: HTTP status, a word for metrics and a sentence for logs (never the token itself). */
export interface TokenRefused {
  readonly ok: false;
  readonly status: 400 | 401 | 403;
  readonly reason: TokenRefusalReason;
  readonly message: string;
  /** Whose key made the signature, once that is proved. */
  readonly peer?: TrustedPeer;
}

/**
 * Judges a token (trust rules 1 to 4). Pure: whether its `jti` was seen before is the caller's question. The identity is
 * the peer whose key made the signature; nothing is taken from the claims before that.
 */
export async function verifyToken(
  raw: string,
  registry: TrustRegistry,
  expected: TokenExpectation,
): Promise<TokenAccepted | TokenRefused> {
  const jws = decodeJws(raw, longestBytes);
  if (typeof jws === 'string')
    return { ok: false, status: 400, reason: 'malformed', message: `malformed token: ${jws}` };
  const { sub } = jws.payload;
  if (typeof sub !== 'string')
    return { ok: false, status: 400, reason: 'malformed', message: 'malformed token: sub must be a cluster UUID' };
  const claimed = registry.peers.filter(({ clusterUUID }) => clusterUUID === sub);
  if (claimed.length === 0) {
    const message = 'sub names no cluster that is trusted here now';
    return { ok: false, status: 403, reason: 'untrusted-peer', message };
  }
  const peer = await signer(jws, claimed, expected.scope);
  if (peer === undefined) {
    const message = 'no known key of the named cluster made this signature';
    return { ok: false, status: 401, reason: 'unknown-key', message };
  }
  const fault = claimFault(jws.payload, expected, peer);
  if (fault !== undefined) return { ok: false, status: 401, reason: 'claims', message: fault, peer };
  const wrongScope = scopeFault(jws.payload, expected, peer);
  return wrongScope ?? { ok: true, peer, claims: claimsOf(jws.payload, expected.scope) };
}

function scopeFault(
  claims: Readonly<Record<string, unknown>>,
  { scope }: TokenExpectation,
  peer: TrustedPeer,
): TokenRefused | undefined {
  if (claims['scope'] !== scope)
    return { ok: false, status: 403, reason: 'scope', message: `scope is not ${scope}`, peer };
  if (peer.scopes.includes(scope)) return undefined;
  return { ok: false, status: 403, reason: 'kind', message: `the resource of this peer does not grant ${scope}`, peer };
}

function claimsOf(claims: Readonly<Record<string, unknown>>, scope: Scope): TokenClaims {
  const jti = claims['jti'];
  return { sub: String(claims['sub']), scope, exp: Number(claims['exp']), ...(typeof jti === 'string' ? { jti } : {}) };
}

/** Of the peers under the claimed UUID the one whose key made the signature; of several (one cluster, both kinds) the one that grants the scope. */
async function signer(
  jws: DecodedJws,
  claimed: readonly TrustedPeer[],
  scope: Scope,
): Promise<TrustedPeer | undefined> {
  const holds = await Promise.all(claimed.map((peer) => isSignedBy(jws, peer)));
  const proven = claimed.filter((_peer, index) => holds[index] === true);
  return proven.find(({ scopes }) => scopes.includes(scope)) ?? proven[0];
}

async function isSignedBy(jws: DecodedJws, { keys, signed }: TrustedPeer): Promise<boolean> {
  const { kid } = jws.header;
  const candidates = keys.filter((key) => kid === undefined || kid === key.kid || !signed);
  const holds = await Promise.all(candidates.map(({ pem }) => jwsSignatureHolds(jws, pem)));
  return holds.includes(true);
}

type Check = (
  claims: Readonly<Record<string, unknown>>,
  expected: TokenExpectation,
  peer: TrustedPeer,
) => string | undefined;

const checks: readonly Check[] = [issuer, audience, notBefore, expiry, issuedAt, identifier];

function claimFault(
  claims: Readonly<Record<string, unknown>>,
  expected: TokenExpectation,
  peer: TrustedPeer,
): string | undefined {
  for (const check of checks) {
    const fault = check(claims, expected, peer);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function issuer(claims: Readonly<Record<string, unknown>>): string | undefined {
  return claims['iss'] === tokenIssuer ? undefined : `iss is not ${tokenIssuer}`;
}

/** RFC 7519 section 4.1.3: a text or a list of texts. */
function audience(claims: Readonly<Record<string, unknown>>, expected: TokenExpectation): string | undefined {
  const named = Array.isArray(claims['aud']) ? (claims['aud'] as unknown[]) : [claims['aud']];
  return named.includes(expected.audience) ? undefined : 'aud does not name this cluster';
}

function notBefore(claims: Readonly<Record<string, unknown>>, { now }: TokenExpectation): string | undefined {
  if (claims['nbf'] === undefined) return 'nbf is missing';
  return isSeconds(claims['nbf']) && claims['nbf'] <= now / 1000 + tokenSkewSeconds
    ? undefined
    : 'nbf lies ahead (check both clocks)';
}

function expiry(
  claims: Readonly<Record<string, unknown>>,
  { now, scope }: TokenExpectation,
  peer: TrustedPeer,
): string | undefined {
  const exp = claims['exp'];
  if (!isSeconds(exp)) return 'exp is missing';
  if (exp < now / 1000 - tokenSkewSeconds) return 'expired (check both clocks)';
  const longLived = scope === 'api' && peer.legacyAPITokens;
  const furthest = longLived ? furthestLegacyApiExpirySeconds : furthestExpirySeconds;
  return exp <= now / 1000 + furthest + tokenSkewSeconds ? undefined : `exp lies more than ${furthest} s ahead`;
}

function issuedAt(claims: Readonly<Record<string, unknown>>, { now }: TokenExpectation): string | undefined {
  const iat = claims['iat'];
  if (iat === undefined) return undefined;
  return isSeconds(iat) && iat <= now / 1000 + tokenSkewSeconds ? undefined : 'iat lies ahead (check both clocks)';
}

function identifier(
  claims: Readonly<Record<string, unknown>>,
  { scope }: TokenExpectation,
  peer: TrustedPeer,
): string | undefined {
  const jti = claims['jti'];
  if (jti === undefined) {
    const excused = !peer.signed || (scope === 'api' && peer.legacyAPITokens);
    return excused ? undefined : 'jti is missing, although this peer signs its documents';
  }
  return typeof jti === 'string' && /^[\x20-\x7e]{1,128}$/.test(jti)
    ? undefined
    : 'jti must be 1 to 128 printable ASCII characters';
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
