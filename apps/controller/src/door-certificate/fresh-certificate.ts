import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { buildCertificate, parseCertificate } from '#trust';
import type { CertificatePair } from './door-certificate.js';

/** As long as the chart makes the first one for. */
const lifeMs = 825 * 24 * 3600 * 1000;
const skewMs = 5 * 60 * 1000;

/** A self-signed certificate for the names and addresses of the one before. */
export function freshCertificate(old: string, now: number): CertificatePair {
  const { dnsNames, x509 } = parseCertificate(old);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ips = (x509.subjectAltName ?? '')
    .split(', ')
    .flatMap((name) => (name.startsWith('IP Address:') ? [name.slice('IP Address:'.length)] : []));
  const { pem } = buildCertificate(
    {
      subject: { commonName: 'isthmus-metadata-api' },
      publicKey,
      serial: randomBytes(16),
      notBefore: now - skewMs,
      notAfter: now + lifeMs,
      isCA: false,
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['serverAuth'],
      dnsNames,
      ips,
    },
    { key: privateKey },
  );
  return { cert: pem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
