import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCsr, issueWorkloadCertificate, loadCa } from '#trust';
import type { CaFiles } from '#trust';
import type { ApiObject, Lab, LabCluster } from '../lab/index.js';

interface Secret extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for any SPIFFE id, issued by this cluster's own workload CA: what its operator, or a thief of its CA key, could make. */
export async function mintCertificate(
  lab: Lab,
  by: LabCluster,
  spiffeId: string,
  name: string,
): Promise<CertificateFiles> {
  const secrets = '/api/v1/namespaces/istio-system/secrets';
  const secret =
    (await by.api.get<Secret>(`${secrets}/cacerts`)) ?? (await by.api.get<Secret>(`${secrets}/isthmus-ca`));
  const files = Object.fromEntries(
    Object.entries(secret?.data ?? {}).map(([file, text]) => [file, Buffer.from(text, 'base64').toString('utf8')]),
  );
  const ca = loadCa(files as unknown as CaFiles, Date.now());
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { chain } = issueWorkloadCertificate(ca, {
    csrPem: buildCsr(privateKey),
    spiffeIds: [spiffeId],
    ttlSeconds: 3600,
    now: Date.now(),
    serial: randomBytes(16),
  });
  const cert = join(lab.directory, `${name}.pem`);
  const key = join(lab.directory, `${name}-key.pem`);
  writeFileSync(cert, chain.join(''));
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  chmodSync(key, 0o600);
  return { cert, key };
}
