import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { applyNamespace, rootNamespace } from './install.js';
import type { LabCluster } from './lab.js';

const algorithms = {
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
  ec: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
} as const;
const hour = 3_600_000;
const secretPath = `/api/v1/namespaces/${rootNamespace}/secrets/cacerts`;

/** An operator's own PKI for one mesh. */
export interface PluggedInCa {
  /** PEM. */
  readonly root: string;
  /** Puts lists of both CAs into the Secret, good for so long (an hour), by which these certificates (PEM) of the intermediate are revoked. */
  revoke(certificates: readonly string[], forMs?: number): Promise<void>;
}

/** A root that stays at home, and an intermediate in Istio's `cacerts` Secret. */
export async function plugInCa(cluster: LabCluster, kind: keyof typeof algorithms): Promise<PluggedInCa> {
  const rootKeys = await keyPair(kind);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `O=${cluster.name} operator, CN=root`,
    ...validity(),
    keys: rootKeys,
    signingAlgorithm: algorithms[kind],
    extensions: [...authority(), await x509.SubjectKeyIdentifierExtension.create(rootKeys.publicKey)],
  });
  const keys = await keyPair(kind);
  const intermediate = await x509.X509CertificateGenerator.create({
    serialNumber: '02',
    subject: `O=${cluster.name} operator, CN=mesh intermediate`,
    issuer: root.subject,
    ...validity(),
    signingKey: rootKeys.privateKey,
    publicKey: keys.publicKey,
    signingAlgorithm: algorithms[kind],
    extensions: [...authority(), await x509.AuthorityKeyIdentifierExtension.create(rootKeys.publicKey)],
  });
  const [rootPem, intermediatePem] = [`${root.toString('pem')}\n`, `${intermediate.toString('pem')}\n`];
  await applyNamespace(cluster, rootNamespace);
  await cluster.api.apply(secretPath, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'cacerts' },
    stringData: {
      'ca-cert.pem': intermediatePem,
      'ca-key.pem': `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')}\n`,
      'cert-chain.pem': intermediatePem + rootPem,
      'root-cert.pem': rootPem,
    },
  });
  const listOf = (
    issuer: string,
    signingKey: webcrypto.CryptoKey,
    serials: readonly string[],
    forMs: number,
  ): Promise<x509.X509Crl> =>
    x509.X509CrlGenerator.create({
      issuer,
      thisUpdate: new Date(Date.now() - hour),
      nextUpdate: new Date(Date.now() + forMs),
      signingKey,
      signingAlgorithm: algorithms[kind],
      entries: serials.map((serialNumber) => ({
        serialNumber,
        revocationDate: new Date(Date.now() - hour),
        reason: x509.X509CrlReason.keyCompromise,
      })),
    });
  return {
    root: rootPem,
    revoke: async (certificates, forMs = hour) => {
      const serials = certificates.map((pem) => new x509.X509Certificate(pem).serialNumber);
      const lists = [
        await listOf(root.subject, rootKeys.privateKey, [], forMs),
        await listOf(intermediate.subject, keys.privateKey, serials, forMs),
      ];
      const text = lists.map((list) => `${list.toString('pem')}\n`).join('');
      await cluster.api.patch(secretPath, { stringData: { 'ca-crl.pem': text } });
    },
  };
}

function keyPair(kind: keyof typeof algorithms): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithms[kind], true, ['sign', 'verify']);
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - hour), notAfter: new Date(Date.now() + 48 * hour) };
}

function authority(): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
}
