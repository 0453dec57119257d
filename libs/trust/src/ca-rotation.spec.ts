import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import {
  advanceCa,
  buildCsr,
  generateCa,
  issueWorkloadCertificate,
  loadCa,
  nextCaChangeMs,
  parseCertificate,
  phaseOf,
  recordIssued,
  splitCertificates,
} from './index.js';
import type { CaFiles, CaRotationFacts, CaState, WorkloadCertificate } from './index.js';
import { chainTo } from './certificate.js';

const now = Date.UTC(2026, 10, 21);
const day = 24 * 3600 * 1000;
const announceMs = 1_800_000;
const made = (at = now): CaFiles =>
  generateCa({ trustDomain: 'a.example', now: at, algorithm: 'ec', serial: randomBytes(16) });
const begin: CaState = { files: made(), rotation: {} };

function facts(over: Partial<CaRotationFacts> = {}): CaRotationFacts {
  return { now, announceMs, distributed: true, freshCa: () => made(over.now), serial: () => randomBytes(16), ...over };
}

function leafOf(state: CaState, at = now): WorkloadCertificate {
  return issueWorkloadCertificate(loadCa(state.files, at), {
    csrPem: buildCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    spiffeIds: ['spiffe://a.example/ns/a/sa/b'],
    ttlSeconds: 24 * 3600,
    now: at,
    serial: randomBytes(16),
  });
}

/** What a verifier that knows only these roots makes of it. */
function verified({ chain }: WorkloadCertificate, roots: readonly string[], at = now): boolean {
  const [leaf = '', ...rest] = chain;
  return chainTo(parseCertificate(leaf), rest.map(parseCertificate), roots.map(parseCertificate), at) !== undefined;
}

describe('changing the root of a generated CA', () => {
  const oldRoot = begin.files['root-cert.pem'];
  const announced = advanceCa(
    recordIssued(begin, { notAfter: now + day, root: 'any' }, now),
    facts({ request: 'one' }),
  );
  const later = now + announceMs;
  const leaving = advanceCa(announced, facts({ now: later, request: 'one' }));
  const ended = leaving.rotation.leavingUntil ?? 0;
  const done = advanceCa(leaving, facts({ now: ended + 1, request: 'one' }));
  const newRoot = done.files['root-cert.pem'];

  it('does nothing unasked, and nothing twice', () => {
    expect(advanceCa(begin, facts())).toBe(begin);
    expect(advanceCa(done, facts({ request: 'one', now: ended + 1 }))).toBe(done);
    expect(nextCaChangeMs(begin, { now, announceMs })).toBeUndefined();
  });

  it('announces both roots while the old one issues', () => {
    expect(phaseOf(announced)).toBe('announced');
    const ca = loadCa(announced.files, now);
    expect(ca.roots).toHaveLength(2);
    expect(ca.certificate.pem).toBe(parseCertificate(oldRoot).pem);
    expect(verified(leafOf(announced), [oldRoot])).toBe(true);
    expect(nextCaChangeMs(announced, { now, announceMs })).toBe(announceMs);
  });

  it('certifies the new root by the old CA, as peers ask for', () => {
    const { crossCertificates } = loadCa(announced.files, now);
    expect(crossCertificates).toHaveLength(1);
    const cross = new X509Certificate(crossCertificates[0] ?? '');
    expect(cross.verify(new X509Certificate(oldRoot).publicKey)).toBe(true);
    expect(cross.publicKey.equals(new X509Certificate(newRoot).publicKey)).toBe(true);
  });

  it.each([
    ['before its time', { now: later - 1 }],
    ['while a namespace lacks it', { now: later + day, distributed: false }],
  ])('keeps issuing by the old root %s', (_when, over) => {
    expect(advanceCa(announced, facts({ ...over, request: 'one' }))).toBe(announced);
  });

  it('then issues by the new root, whose leaves verify for who knows either', () => {
    expect(phaseOf(leaving)).toBe('leaving');
    const leaf = leafOf(leaving, later);
    expect(verified(leaf, [newRoot], later)).toBe(true);
    expect(verified(leaf, [oldRoot], later)).toBe(true);
    expect(verified({ ...leaf, chain: leaf.chain.slice(0, 1) }, [oldRoot], later)).toBe(false);
    expect(JSON.stringify(leaving)).not.toContain(JSON.stringify(begin.files['ca-key.pem']));
  });

  it('drops the old root when the last certificate under it has ended, not before', () => {
    expect(ended).toBeGreaterThanOrEqual(now + day);
    expect(advanceCa(leaving, facts({ now: ended, request: 'one' }))).toBe(leaving);
    expect(phaseOf(done)).toBe('issuing');
    expect(splitCertificates(newRoot)).toHaveLength(1);
    const ca = loadCa(done.files, ended + 1);
    expect([ca.intermediates, ca.crossCertificates]).toEqual([[], []]);
    expect(verified(leafOf(done, ended + 1), [oldRoot], ended + 1)).toBe(false);
  });

  it('lets a wish that comes while a root is announced join it', () => {
    const joined = advanceCa(announced, facts({ now: later - 1, request: 'two' }));
    expect(joined).toEqual({ ...announced, rotation: { ...announced.rotation, request: 'two' } });
    const after = advanceCa(
      advanceCa(joined, facts({ now: later, request: 'two' })),
      facts({ now: ended + 1, request: 'two' }),
    );
    expect(phaseOf(after)).toBe('issuing');
    expect(advanceCa(after, facts({ now: ended + 2, request: 'two' }))).toBe(after);
  });

  it('keeps a wish that comes while the old root leaves for afterwards', () => {
    expect(advanceCa(leaving, facts({ now: later, request: 'two' }))).toBe(leaving);
    expect(phaseOf(advanceCa(done, facts({ now: ended + 1, request: 'two' })))).toBe('announced');
  });

  it('keeps the old root longer for what a replica still issued by it', () => {
    const [fingerprint = ''] = leaving.rotation.leaving ?? [];
    const notAfter = ended + day;
    expect(recordIssued(leaving, { notAfter, root: fingerprint }, later).rotation.leavingUntil).toBeGreaterThanOrEqual(
      notAfter,
    );
    expect(recordIssued(leaving, { notAfter, root: 'the new one' }, later).rotation.leavingUntil).toBe(ended);
  });

  it('writes the record once for many certificates', () => {
    const once = recordIssued(begin, { notAfter: now + day, root: 'r' }, now);
    expect(recordIssued(once, { notAfter: now + day + day / 5, root: 'r' }, now + day / 5)).toBe(once);
    expect(recordIssued(once, { notAfter: now + 2 * day, root: 'r' }, now + day)).not.toBe(once);
  });

  it('replaces a root in its last year unasked', () => {
    expect(phaseOf(advanceCa(begin, facts({ now: now + 9.5 * 365 * day })))).toBe('announced');
  });
});
