import { createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readOnce } from './read-once.js';

/** Header of the only JWS we speak: compact serialisation (RFC 7515), EdDSA (RFC 8037). */
export interface JwsHeader {
  readonly alg: 'EdDSA';
  readonly kid?: string;
  readonly typ?: string;
}

/** A JWS taken apart, nothing verified yet. */
export interface DecodedJws {
  readonly header: JwsHeader;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly signingInput: string;
  readonly signature: Buffer;
}

const base64url = /^[A-Za-z0-9_-]+$/;

/** Signs a JSON payload; the member order given is the order sent. */
export function signJws(payload: object, key: KeyObject, header: Omit<JwsHeader, 'alg'>): string {
  const input = `${encode({ alg: 'EdDSA', ...header })}.${encode(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
}

/**
 * Takes a compact JWS apart. A text = why it is malformed: more than `maximumBytes`, not three base64url parts, other `alg`, `crit` or `b64`,
 * no JSON object. Never throws.
 */
export function decodeJws(raw: string, maximumBytes: number): DecodedJws | string {
  if (raw.length > maximumBytes) return `longer than ${maximumBytes} bytes`;
  const parts = raw.split('.');
  const [head = '', body = '', tail = ''] = parts;
  if (parts.length !== 3 || !parts.every((part) => base64url.test(part))) return 'not three base64url parts';
  const header = jsonObject(head);
  const payload = jsonObject(body);
  if (header === undefined || payload === undefined) return 'header and payload must be JSON objects';
  const fault = headerFault(header);
  if (fault !== undefined) return fault;
  const signature = Buffer.from(tail, 'base64url');
  // Node passes over surplus bits: only the one canonical text of a signature is taken.
  if (signature.length !== 64 || signature.toString('base64url') !== tail) return 'the signature is not 64 bytes';
  return {
    header: { alg: 'EdDSA', ...(typeof header['kid'] === 'string' ? { kid: header['kid'] } : {}) },
    payload,
    signingInput: `${head}.${body}`,
    signature,
  };
}

function headerFault(header: Readonly<Record<string, unknown>>): string | undefined {
  if (header['alg'] !== 'EdDSA') return 'alg must be EdDSA';
  if ('crit' in header || 'b64' in header) return 'crit and b64 are not understood';
  const kid = header['kid'];
  return kid === undefined || (typeof kid === 'string' && kid.length <= 128) ? undefined : 'kid must be a short text';
}

/** True when this Ed25519 public key (PEM) made the signature. */
export function jwsSignatureHolds(jws: DecodedJws, publicPem: string): boolean {
  try {
    return verify(null, Buffer.from(jws.signingInput), publicKeyOf(publicPem), jws.signature);
  } catch {
    return false;
  }
}

/** A peer's few keys verify every request. */
const publicKeyOf = readOnce(4096, (pem): KeyObject => {
  const key = createPublicKey(pem.replaceAll('ED25519 PUBLIC KEY', 'PUBLIC KEY'));
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('not an Ed25519 key');
  return key;
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function jsonObject(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
