import type { Reason } from '#crd';
import type { TrustedKey } from '#model';
import { decodeJws } from './jws.js';
import type { DecodedJws } from './jws.js';
import type { ProvenSignatures } from './proven-signatures.js';
import { readPublicSigningKey } from './signing-key.js';
import { longestSignedBytes, protocolVersion } from './signed-payload.js';
import type { SignedPublicPayload } from './signed-payload.js';

/** Clock difference towards a peer that is forgiven, milliseconds. */
export const documentSkewMs = 30_000;

/** Why a document is not taken: a value for a condition. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: Reason;
  readonly message: string;
}

export function refused(reason: Reason, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** Takes a signed document apart and checks version and times; its signature is the caller's business. */
export function openSigned(raw: string, now: number, what: string): DecodedJws | Refusal {
  const jws = decodeJws(raw, longestSignedBytes);
  if (typeof jws === 'string') return refused('DocumentInvalid', `${what}: signed: ${jws}`);
  const { ver, seq, iat, exp } = jws.payload;
  if (ver !== protocolVersion)
    return refused(
      'VersionSkew',
      `${what}: signed.ver is ${short(ver)}, this side speaks ${protocolVersion}; upgrade the older side`,
    );
  if (!isCount(seq) || !isCount(iat) || !isCount(exp))
    return refused('DocumentInvalid', `${what}: signed.seq, iat and exp must be whole numbers`);
  if (iat * 1000 > now + documentSkewMs)
    return refused(
      'ClockSkew',
      `${what}: made ${Math.round(iat - now / 1000)} s ahead of this cluster's clock; synchronise both clocks`,
    );
  if (exp * 1000 < now - documentSkewMs)
    return refused(
      'SignatureInvalid',
      `${what}: the signed document expired ${Math.round(now / 1000 - exp)} s ago; is the peer's controller running, and are both clocks right?`,
    );
  return jws;
}

/** The key of this list that made the signature, or undefined. */
export function signerAmong(
  { compact }: DecodedJws,
  keys: readonly TrustedKey[],
  proven: ProvenSignatures,
): TrustedKey | undefined {
  const maker = proven.get(compact);
  return keys.find(({ pem }) => pem === maker);
}

/** These words end up in object names, SPIFFE ids and proxy configuration: nothing but plain characters. */
const names: Readonly<Record<string, RegExp>> = {
  clusterUUID: /^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/,
  trustDomain: /^[0-9A-Za-z._-]{1,255}$/,
  clusterDomain: /^[0-9a-z][0-9a-z.-]{0,199}$/,
  clusterID: /^[0-9A-Za-z][0-9A-Za-z._-]{0,252}$/,
  networkName: /^[0-9A-Za-z][0-9A-Za-z._-]{0,252}$/,
};

function isTextLike(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

/** Shapes of a public payload's fields; a text names the first field that is wrong. */
export function publicPayload(payload: Readonly<Record<string, unknown>>): SignedPublicPayload | string {
  const badName = Object.entries(names).find(([field, pattern]) => !isTextLike(payload[field], pattern));
  if (badName !== undefined) return badName[0];
  if (!isTexts([payload['tlsCA']], 1)) return 'tlsCA';
  for (const field of ['roots', 'keyChain', 'crls']) if (!isTexts(payload[field], 50)) return field;
  if (payload['crossCertificates'] !== undefined && !isTexts(payload['crossCertificates'], 50))
    return 'crossCertificates';
  if (!Array.isArray(payload['keys']) || payload['keys'].length === 0 || payload['keys'].length > 8) return 'keys';
  const keys = (payload['keys'] as unknown[]).map(keyFrom);
  if (keys.some((key) => key === undefined)) return 'keys';
  return { ...(payload as unknown as SignedPublicPayload), keys: keys as readonly TrustedKey[] };
}

function keyFrom(value: unknown): TrustedKey | undefined {
  if (typeof value !== 'object' || value === null || !('pem' in value) || typeof value.pem !== 'string')
    return undefined;
  const state = 'state' in value ? value.state : undefined;
  const key = readPublicSigningKey(value.pem);
  if (key === undefined || (state !== 'current' && state !== 'next' && state !== 'retired')) return undefined;
  return { kid: key.kid, pem: key.pem, state };
}

function isTexts(value: unknown, most: number): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= most &&
    value.every((item) => typeof item === 'string' && item.length <= 262_144)
  );
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function short(value: unknown): string {
  return (JSON.stringify(value) ?? 'absent').slice(0, 40);
}
