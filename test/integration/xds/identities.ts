import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { buildCsr, generateCa, issueWorkloadCertificate, loadCa, type WorkloadCa } from '#trust';

/** A workload CA of its own for a trust domain. */
export function caFor(trustDomain: string): WorkloadCa {
  const now = Date.now();
  return loadCa(generateCa({ trustDomain, now, algorithm: 'ec', serial: randomBytes(16) }), now);
}

export interface Identity {
  readonly chain: string;
  readonly key: string;
}

/** Key and certificate for a SPIFFE id, signed by whichever CA is given: also by one that has no business doing so. */
export function identityFor(ca: WorkloadCa, spiffeId: string): Identity {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { chain } = issueWorkloadCertificate(ca, {
    csrPem: buildCsr(privateKey),
    spiffeIds: [spiffeId],
    ttlSeconds: 3600,
    now: Date.now(),
    serial: randomBytes(16),
  });
  return { chain: chain.join('\n'), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
