import { createHash, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { bytesOf, childrenOf, dottedOf, fromDer, isContext, isObjectId } from './der.js';
import type { Node } from './der.js';
import { oid } from './oids.js';
import { decodePem, encodePem } from './pem.js';
import { readOnce } from './read-once.js';

/** Facts of one X.509 certificate (RFC 5280); times in Unix milliseconds, fingerprints as lower-case hex. */
export interface Certificate {
  readonly pem: string;
  readonly der: Buffer;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly isCA: boolean;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Absent in certificates of old CAs. */
  readonly keyUsage?: readonly KeyUsage[];
  readonly subjectKeyId?: string;
  /** SHA-256 of the DER. */
  readonly fingerprint: string;
  readonly publicKey: KeyObject;
  readonly x509: X509Certificate;
}

export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign';

export const keyUsages: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
];

/** Reads the first certificate of a PEM text; throws an error that says what is wrong with the text. */
export const parseCertificate = readOnce(512, (pem): Certificate => {
  const block = decodePem(pem).find(({ label }) => label === 'CERTIFICATE');
  if (block === undefined) throw new Error('no CERTIFICATE block: PEM was expected');
  return certificateFromDer(block.der);
});

export function certificateFromDer(der: Buffer): Certificate {
  try {
    return readCertificate(der);
  } catch (cause) {
    throw new Error('the CERTIFICATE block is not an X.509 certificate in DER with a key that is supported', { cause });
  }
}

function readCertificate(der: Buffer): Certificate {
  const x509 = new X509Certificate(der);
  const [notBefore, notAfter] = [Date.parse(x509.validFrom), Date.parse(x509.validTo)];
  // OpenSSL takes times that are none, and shows them as "Bad time value".
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) throw new Error('a time of its validity is no time');
  const extensions = extensionsOf(der);
  const keyUsage = keyUsageOf(extensions.get(oid.keyUsage));
  const subjectKeyId = subjectKeyIdOf(extensions.get(oid.subjectKeyIdentifier));
  return {
    pem: encodePem('CERTIFICATE', der),
    der,
    subject: x509.subject ?? '',
    issuer: x509.issuer ?? '',
    serial: x509.serialNumber.toLowerCase(),
    notBefore,
    notAfter,
    isCA: x509.ca,
    ...alternativeNames(extensions.get(oid.subjectAltName)),
    ...(keyUsage === undefined ? {} : { keyUsage }),
    ...(subjectKeyId === undefined ? {} : { subjectKeyId }),
    fingerprint: createHash('sha256').update(der).digest('hex'),
    publicKey: x509.publicKey,
    x509,
  };
}

/** SHA-256 of a key's SubjectPublicKeyInfo, lower-case hex: what `pins.keys` compare. */
export function spkiFingerprint(key: KeyObject): string {
  return createHash('sha256').update(spkiOf(key)).digest('hex');
}

export function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' }) as Buffer;
}

/**
 * True for the same public key. Not `KeyObject.equals`: for keys of two kinds Node leaves an error of OpenSSL's behind, by which the next
 * private key that is read anywhere in the process seems unreadable.
 */
export function isSameKey(a: KeyObject, b: KeyObject): boolean {
  return spkiOf(a).equals(spkiOf(b));
}

/** True when `issuer` signed `certificate` and may do so (names match, is a CA, signature holds). */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  if (!issuer.isCA || (issuer.keyUsage !== undefined && !issuer.keyUsage.includes('keyCertSign'))) return false;
  try {
    return certificate.x509.checkIssued(issuer.x509) && certificate.x509.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

export function isValidAt(certificate: Certificate, now: number): boolean {
  return certificate.notBefore <= now && now <= certificate.notAfter;
}

/**
 * The path leaf → intermediates → a root, each valid at `now`; undefined when there is none. Intermediates may come in any order;
 * at most eight steps.
 */
export function chainTo(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  now: number,
): readonly Certificate[] | undefined {
  return extend([leaf], intermediates, roots, now);
}

function extend(
  path: readonly Certificate[],
  pool: readonly Certificate[],
  roots: readonly Certificate[],
  now: number,
): readonly Certificate[] | undefined {
  const last = path[path.length - 1];
  if (last === undefined || path.length > 8 || !isValidAt(last, now)) return undefined;
  const root = roots.find(
    (candidate) =>
      candidate.fingerprint === last.fingerprint || (isValidAt(candidate, now) && isIssuedBy(last, candidate)),
  );
  if (root !== undefined) return root.fingerprint === last.fingerprint ? path : [...path, root];
  for (const next of pool) {
    if (path.includes(next) || !isIssuedBy(last, next)) continue;
    const whole = extend([...path, next], pool, roots, now);
    if (whole !== undefined) return whole;
  }
  return undefined;
}

function extensionsOf(der: Buffer): ReadonlyMap<string, Buffer> {
  const [tbs] = childrenOf(fromDer(der));
  const holder = childrenOf(tbs).find((node) => isContext(node, 3));
  const found = new Map<string, Buffer>();
  for (const extension of childrenOf(childrenOf(holder)[0])) {
    const [id, ...rest] = childrenOf(extension);
    if (isObjectId(id)) found.set(dottedOf(id), bytesOf(rest.at(-1)));
  }
  return found;
}

function alternativeNames(der: Buffer | undefined): {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
} {
  const names: readonly Node[] = der === undefined ? [] : childrenOf(fromDer(der));
  return {
    uris: names.filter((name) => isContext(name, 6)).map((name) => bytesOf(name).toString('utf8')),
    dnsNames: names.filter((name) => isContext(name, 2)).map((name) => bytesOf(name).toString('utf8')),
  };
}

function keyUsageOf(der: Buffer | undefined): readonly KeyUsage[] | undefined {
  if (der === undefined) return undefined;
  const content = bytesOf(fromDer(der)).subarray(1);
  return keyUsages.filter((_usage, bit) => (((content[bit >> 3] ?? 0) >> (7 - (bit % 8))) & 1) === 1);
}

function subjectKeyIdOf(der: Buffer | undefined): string | undefined {
  return der === undefined ? undefined : bytesOf(fromDer(der)).toString('hex');
}
