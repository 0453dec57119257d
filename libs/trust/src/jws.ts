import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { base64url, CompactSign, compactVerify, decodeProtectedHeader } from 'jose';
import { isFields } from '#model';
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
  /** As it came. */
  readonly compact: string;
}

const base64urlText = /^[A-Za-z0-9_-]+$/;
const signatureBytes = 64;

/** Signs a JSON payload; the member order given is the order sent. */
export function signJws(payload: object, key: KeyObject, header: Omit<JwsHeader, 'alg'>): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(payload));
  return new CompactSign(bytes).setProtectedHeader({ alg: 'EdDSA', ...header }).sign(key);
}

/**
 * Takes a compact JWS apart. A text = why it is malformed: more than `maximumBytes`, not three base64url parts, other `alg`, `crit` or `b64`,
 * no JSON object. Never throws.
 */
export function decodeJws(raw: string, maximumBytes: number): DecodedJws | string {
  if (raw.length > maximumBytes) return `longer than ${maximumBytes} bytes`;
  const parts = raw.split('.');
  const [, body = '', tail = ''] = parts;
  if (parts.length !== 3 || !parts.every((part) => base64urlText.test(part))) return 'not three base64url parts';
  const header = protectedHeader(raw);
  const payload = jsonObject(body);
  if (header === undefined || payload === undefined) return 'header and payload must be JSON objects';
  const fault = headerFault(header);
  if (fault !== undefined) return fault;
  // Decoders pass over surplus bits: only the one canonical text of a signature is taken.
  if (!isCanonicalSignature(tail)) return 'the signature is not 64 bytes';
  const { kid } = header;
  return { header: { alg: 'EdDSA', ...(typeof kid === 'string' ? { kid } : {}) }, payload, compact: raw };
}

function isCanonicalSignature(text: string): boolean {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === signatureBytes && bytes.toString('base64url') === text;
}

function headerFault(header: Readonly<Record<string, unknown>>): string | undefined {
  if (header['alg'] !== 'EdDSA') return 'alg must be EdDSA';
  if ('crit' in header || 'b64' in header) return 'crit and b64 are not understood';
  const kid = header['kid'];
  return kid === undefined || (typeof kid === 'string' && kid.length <= 128) ? undefined : 'kid must be a short text';
}

/** True when this Ed25519 public key (PEM) made the signature; false, too, when the key is none. */
export async function jwsSignatureHolds({ compact }: DecodedJws, publicPem: string): Promise<boolean> {
  try {
    await compactVerify(compact, publicKeyOf(publicPem), { algorithms: ['EdDSA'] });
    return true;
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

function protectedHeader(raw: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return decodeProtectedHeader(raw);
  } catch {
    return undefined;
  }
}

function jsonObject(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(base64url.decode(part)));
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
