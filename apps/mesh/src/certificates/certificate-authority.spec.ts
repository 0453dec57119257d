import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { buildCrl, generateCa, loadCa, parseCertificate, type WorkloadCa } from '#trust';
import { CertificateAuthority } from './certificate-authority.js';

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const margin = 30_000;
const files = generateCa({ trustDomain: 'east.example', now: start, algorithm: 'ec', serial: Buffer.of(1) });

function listUntil(nextUpdate: number): string {
  const [issuer, key] = [parseCertificate(files['ca-cert.pem']), createPrivateKey(files['ca-key.pem'])];
  return buildCrl({ issuer, key, number: 1, thisUpdate: start, nextUpdate, revoked: [] });
}

/** The CA with these lists; counts how often they are taken up to be read. */
function caWith(crls: readonly string[]): { ca: WorkloadCa; readings: () => number } {
  let readings = 0;
  const ca = {
    ...loadCa(files, start),
    get crls() {
      readings += 1;
      return crls;
    },
  };
  return { ca, readings: () => readings };
}

describe('revocation lists of the workload CA', () => {
  it('are in force until half a minute before they end; then the fault says so, and other lists end it', () => {
    let now = start;
    const options = { trustDomain: 'east.example', clock: { now: () => now }, maxTtlSeconds: 60 };
    const [one, next] = [listUntil(start + hour), listUntil(start + 2 * hour)];
    const authority = new CertificateAuthority(caWith([one]).ca, options);
    const told = (): readonly unknown[] => [
      authority.crls,
      authority.verifiesWith.endsWith(one),
      authority.crlFault,
      authority.crlsChangeAt,
    ];
    for (now of [start, start + hour - margin - 1])
      expect(told()).toEqual([[one], true, undefined, start + hour - margin]);
    now = start + hour - margin;
    expect(told()).toEqual([[], false, expect.stringContaining('no list that is valid now'), undefined]);
    authority.replace(caWith([next]).ca);
    expect(told()).toEqual([[next], false, undefined, start + 2 * hour - margin]);
  });

  it('are read once, however often they are asked for, and are the same array while they are the same', () => {
    let now = start;
    const options = { trustDomain: 'east.example', clock: { now: () => now }, maxTtlSeconds: 60 };
    const { ca, readings } = caWith([listUntil(start + hour)]);
    const authority = new CertificateAuthority(ca, options);
    const before = authority.crls;
    now += 60_000;
    expect(authority.crls).toBe(before);
    expect([authority.crlFault, authority.verifiesWith.length > 0]).toEqual([undefined, true]);
    expect(readings()).toBe(1);
  });
});
