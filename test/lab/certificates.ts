import 'reflect-metadata';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** Certificate and private key, PEM. */
export interface CertifiedKey {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority of the lab: it stands in for the operator's PKI, never for the product's own. */
export interface LabCa extends CertifiedKey {
  /** Serving certificate for these names and addresses, valid for two days. */
  issue(names: readonly string[]): Promise<CertifiedKey>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const hour = 3_600_000;

export async function createCa(commonName: string): Promise<LabCa> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${commonName}`,
    ...validity(),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificate: `${root.toString('pem')}\n`,
    key: await privateKeyPem(keys.privateKey),
    issue: (names) => issue(root, keys.privateKey, names),
  };
}

async function issue(
  issuer: x509.X509Certificate,
  signingKey: webcrypto.CryptoKey,
  names: readonly string[],
): Promise<CertifiedKey> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${names[0] ?? 'lab'}`,
    issuer: issuer.subject,
    ...validity(),
    signingKey,
    publicKey: keys.publicKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: /^[0-9.]+$/.test(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: `${leaf.toString('pem')}\n`, key: await privateKeyPem(keys.privateKey) };
}

/** Writes `<name>.crt` and `<name>.key` into a folder. */
export function writeCertifiedKey(directory: string, name: string, pair: CertifiedKey): void {
  writeFileSync(join(directory, `${name}.crt`), pair.certificate);
  writeFileSync(join(directory, `${name}.key`), pair.key, { mode: 0o600 });
}

/** Key pair with which an API server signs service account tokens: `<name>.key` and `<name>.pub`. */
export function writeTokenKeyPair(directory: string, name: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(directory, `${name}.key`), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(join(directory, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - hour), notAfter: new Date(Date.now() + 48 * hour) };
}

function serialNumber(): string {
  return Buffer.from(
    webcrypto.getRandomValues(new Uint8Array(16)).map((byte, at) => (at === 0 ? byte & 0x7f : byte)),
  ).toString('hex');
}
