import { compareText } from '#model';
import { isIssuedBy, isSameKey, isValidAt, parseCertificate } from './certificate.js';
import type { Certificate } from './certificate.js';
import { bytesOf, childrenOf, fromDer, isContext, toDer } from './der.js';
import { splitCertificates } from './pem.js';
import { refused } from './read-signed.js';
import type { Refusal } from './read-signed.js';

/** A peer may show this many roots: enough for any rotation, few enough for every proxy. */
export const mostRoots = 16;
/** Trust in all peers is one Secret, which every proxy and the door follow: no peer may fill it. */
export const mostRootBytes = 64 * 1024;

const longestSerialBytes = 20;

/** Reads a peer's roots: CA certificates that are valid now. One that is not makes the document refused, saying which and why. */
export function readRoots(bundles: readonly string[], now: number): readonly Certificate[] | Refusal {
  const pems = [...new Set(bundles.flatMap(splitCertificates))];
  if (pems.length === 0) return refused('RootInvalid', 'rootCA: holds no certificate in PEM');
  if (pems.length > mostRoots)
    return refused(
      'RootInvalid',
      `rootCA: ${pems.length} certificates, at most ${mostRoots} are taken; remove the ones no longer used`,
    );
  const bytes = pems.reduce((sum, pem) => sum + pem.length, 0);
  if (bytes > mostRootBytes)
    return refused(
      'RootInvalid',
      `rootCA: ${kib(bytes)} of certificates, at most ${kib(mostRootBytes)} are taken; issue roots without bulky extensions, and remove the ones no longer used`,
    );
  const roots: Certificate[] = [];
  for (const [index, pem] of pems.entries()) {
    const root = tryParse(pem);
    if (root === undefined) return refused('RootInvalid', `rootCA: certificate ${index + 1} is not readable`);
    const fault = faultOf(root, now) ?? formFault(root);
    if (fault !== undefined)
      return refused('RootInvalid', `rootCA: certificate ${index + 1} (sha256:${root.fingerprint}) ${fault}`);
    roots.push(root);
  }
  return roots.sort((a, b) => compareText(a.fingerprint, b.fingerprint));
}

/** What is wrong with a peer's `tlsCA`: those of all peers are one Secret too, which the way out follows. */
export function tlsCaFault(bundle: string): Refusal | undefined {
  if (bundle.length <= mostRootBytes) return undefined;
  return refused(
    'DocumentInvalid',
    `public.json: signed.tlsCA: ${kib(bundle.length)}, at most ${kib(mostRootBytes)} are taken; the peer must show only the authorities of its own servers`,
  );
}

function kib(bytes: number): string {
  return `${Math.ceil(bytes / 1024)} KiB`;
}

function tryParse(pem: string): Certificate | undefined {
  try {
    return parseCertificate(pem);
  } catch {
    return undefined;
  }
}

function faultOf(root: Certificate, now: number): string | undefined {
  if (!root.isCA) return 'is not a CA certificate';
  if (root.keyUsage !== undefined && !root.keyUsage.includes('keyCertSign'))
    return 'may not sign certificates (keyUsage)';
  if (isValidAt(root, now)) return undefined;
  return root.notBefore > now
    ? `is not valid before ${new Date(root.notBefore).toISOString()}; check both clocks`
    : `expired at ${new Date(root.notAfter).toISOString()}; the peer must renew it`;
}

/**
 * What OpenSSL lets pass in a certificate and others don't (RFC 5280, section 4.1): Envoy refuses a whole trust secret, and with it every later
 * change of trust, for one root that it cannot read.
 */
function formFault(root: Certificate): string | undefined {
  const tree = fromDer(root.der);
  const fields = childrenOf(childrenOf(tree)[0]);
  const [version] = fields;
  if (!toDer(tree).equals(root.der)) return 'is not encoded in DER';
  if (version === undefined || !isContext(version, 0))
    return 'is not of version 3, as a certificate with extensions must be';
  if (bytesOf(childrenOf(version)[0])[0] !== 2) return 'is not of version 3, as a certificate with extensions must be';
  if (fields.some((field) => isContext(field, 1) || isContext(field, 2)))
    return 'carries unique identifiers, which no CA may';
  if (root.serial.length > 2 * longestSerialBytes) return 'has a serial of more than 20 bytes';
  return undefined;
}

/** New roots that the old CA itself vouches for: by a cross-certificate over the same key, or by having issued the new root. */
export function vouchedByOldCa(
  root: Certificate,
  known: readonly Certificate[],
  crossCertificates: readonly Certificate[],
): boolean {
  const same = (candidate: Certificate): boolean => isSameKey(candidate.publicKey, root.publicKey);
  return known.some(
    (old) => isIssuedBy(root, old) || crossCertificates.some((cross) => same(cross) && isIssuedBy(cross, old)),
  );
}

/** Reads what can be read; a cross-certificate that cannot vouches for nothing. */
export function readCrossCertificates(pems: readonly string[], now: number): readonly Certificate[] {
  return pems.flatMap(splitCertificates).flatMap((pem) => {
    const certificate = tryParse(pem);
    return certificate !== undefined && isValidAt(certificate, now) ? [certificate] : [];
  });
}
