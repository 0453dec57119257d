import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { buildCertificate } from './certificate-builder.js';
import { chainTo, isIssuedBy, isSameKey, isValidAt, parseCertificate, spkiFingerprint } from './certificate.js';
import type { Certificate } from './certificate.js';
import { parseCsr } from './csr.js';
import { splitCertificates, splitCrls } from './pem.js';

/** A workload CA ready to issue: the signing certificate, what leads from it to the root, and the roots proxies verify with. */
export interface WorkloadCa {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /**
   * From the signing certificate upwards, without the root; empty when the root itself signs. While an older root is still trusted its
   * cross-certificate for the newer one comes last, so that whoever knows only the older root can verify too.
   */
  readonly intermediates: readonly string[];
  readonly roots: readonly string[];
  /** SHA-256 (hex) of the root that the signing certificate leads to. */
  readonly root: string;
  /** Roots of `roots` as an older root certified them. */
  readonly crossCertificates: readonly string[];
  /** Revocation lists as given; whether they are a complete set is not looked at here. */
  readonly crls: readonly string[];
}

/** Files of Istio's `cacerts` Secret, also used for our own generated CA; `cross-cert.pem` is ours. */
export interface CaFiles {
  readonly 'ca-cert.pem': string;
  readonly 'ca-key.pem': string;
  readonly 'cert-chain.pem': string;
  readonly 'root-cert.pem': string;
  readonly 'ca-crl.pem'?: string;
  readonly 'cross-cert.pem'?: string;
}

export interface CaOrder {
  readonly trustDomain: string;
  readonly now: number;
  readonly algorithm: 'ec' | 'rsa';
  /** 16 random bytes. */
  readonly serial: Uint8Array;
}

const tenYearsMs = 3650 * 24 * 3600 * 1000;
/** Workload certificates begin a little earlier than now, for clocks that lag (as Istio's do). */
const skewMs = 2 * 60 * 1000;
export const defaultTtlSeconds = 24 * 3600;
export const longestTtlSeconds = 90 * 24 * 3600;

/** Makes a self-signed root (ten years) in Istio's file layout. */
export function generateCa(order: CaOrder): CaFiles {
  const serialText = Buffer.from(order.serial).toString('hex');
  const { privateKey, publicKey } =
    order.algorithm === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const root = buildCertificate(
    {
      subject: {
        organization: order.trustDomain,
        // Two roots of one mesh stand side by side while one replaces the other: names of their own keep them apart.
        commonName: `Isthmus workload CA ${serialText.slice(0, 8)} of ${order.trustDomain}`.slice(0, 64),
      },
      publicKey,
      serial: order.serial,
      notBefore: order.now - skewMs,
      notAfter: order.now + tenYearsMs,
      isCA: true,
      keyUsage: ['keyCertSign', 'cRLSign'],
      uris: [`spiffe://${order.trustDomain}`],
    },
    { key: privateKey },
  );
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { 'ca-cert.pem': root.pem, 'ca-key.pem': key, 'cert-chain.pem': root.pem, 'root-cert.pem': root.pem };
}

/** Reads the four files of a `cacerts` Secret (RSA or EC, root or intermediate); the error lists the file and the remedy. */
export function loadCa(files: Readonly<Partial<Record<keyof CaFiles, string>>>, now: number): WorkloadCa {
  const text = (name: keyof CaFiles): string => {
    const value = files[name];
    if (value === undefined || value.trim() === '')
      throw new Error(`${name}: missing; the Secret needs ca-cert.pem, ca-key.pem, cert-chain.pem and root-cert.pem`);
    return value;
  };
  const certificate = named('ca-cert.pem', () => parseCertificate(text('ca-cert.pem')));
  const key = named('ca-key.pem', () => createPrivateKey(text('ca-key.pem')));
  const roots = named('root-cert.pem', () => splitCertificates(text('root-cert.pem')).map(parseCertificate));
  const chain = named('cert-chain.pem', () => splitCertificates(files['cert-chain.pem'] ?? '').map(parseCertificate));
  const cross = named('cross-cert.pem', () => splitCertificates(files['cross-cert.pem'] ?? '').map(parseCertificate));
  if (!certificate.isCA) throw new Error('ca-cert.pem: not a CA certificate (basicConstraints CA:TRUE is missing)');
  if (spkiFingerprint(createPublicKey(key)) !== spkiFingerprint(certificate.publicKey))
    throw new Error('ca-key.pem: does not belong to ca-cert.pem');
  if (!isValidAt(certificate, now))
    throw new Error('ca-cert.pem: expired or not yet valid; renew it and replace the Secret');
  const path = chainTo(certificate, chain, roots, now);
  if (path === undefined) throw new Error('cert-chain.pem: does not lead from ca-cert.pem to a root in root-cert.pem');
  const isRoot = (one: Certificate): boolean => roots.some(({ fingerprint }) => fingerprint === one.fingerprint);
  const sameKey = (one: Certificate, other: Certificate | undefined): boolean =>
    other !== undefined && isSameKey(one.publicKey, other.publicKey);
  const crossCertificates = [...chain, ...cross].filter(
    (one) => !isRoot(one) && roots.some((root) => sameKey(one, root)) && roots.some((root) => isIssuedBy(one, root)),
  );
  const above = path.filter((one) => !isRoot(one));
  const bridges = crossCertificates.filter((one) => sameKey(one, path.at(-1)) && !above.includes(one));
  return {
    certificate,
    key,
    intermediates: unique([...above, ...bridges]),
    roots: roots.map(({ pem }) => pem),
    root: (path.at(-1) ?? certificate).fingerprint,
    crossCertificates: unique(crossCertificates),
    crls: splitCrls(files['ca-crl.pem'] ?? ''),
  };
}

function unique(certificates: readonly Certificate[]): readonly string[] {
  return [...new Set(certificates.map(({ pem }) => pem))];
}

/** Reads a part and names the file in the error; node-forge's and OpenSSL's own words may show key material, so they are not repeated. */
function named<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith(`${file}:`)) throw error;
    throw new Error(`${file}: not readable PEM of the expected kind`);
  }
}

export interface WorkloadCertificateOrder {
  readonly csrPem: string;
  /** SPIFFE ids of the authenticated caller; the request's own names are ignored. */
  readonly spiffeIds: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ips?: readonly string[];
  readonly ttlSeconds: number;
  readonly now: number;
  readonly serial: Uint8Array;
}

export interface WorkloadCertificate {
  /** Leaf first, then intermediates; PEM each. */
  readonly chain: readonly string[];
  readonly roots: readonly string[];
  readonly notAfter: number;
}

/**
 * Issues a workload certificate as Istio's certificate service does: URI SANs of the caller, both extended usages, not a CA, end clamped to
 * the signer's. Throws on a request that proves nothing and on a lifetime over ninety days.
 */
export function issueWorkloadCertificate(ca: WorkloadCa, order: WorkloadCertificateOrder): WorkloadCertificate {
  const ttl = order.ttlSeconds > 0 ? order.ttlSeconds : defaultTtlSeconds;
  if (ttl > longestTtlSeconds)
    throw new Error(`validity_duration: ${ttl} s is over the longest of ${longestTtlSeconds} s`);
  const { publicKey } = parseCsr(order.csrPem);
  const leaf = buildCertificate(
    {
      subject: {},
      publicKey,
      serial: order.serial,
      notBefore: Math.max(order.now - skewMs, ca.certificate.notBefore),
      notAfter: Math.min(order.now + ttl * 1000, ca.certificate.notAfter),
      isCA: false,
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      uris: order.spiffeIds,
      ...(order.dnsNames === undefined ? {} : { dnsNames: order.dnsNames }),
      ...(order.ips === undefined ? {} : { ips: order.ips }),
    },
    { key: ca.key, certificate: ca.certificate },
  );
  return { chain: [leaf.pem, ...ca.intermediates], roots: ca.roots, notAfter: leaf.notAfter };
}
