import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, it } from '@jest/globals';
import { brokenText, fuzzBothWays, fuzzLimitMs, readOr } from '#testing';
import type { Dice } from '#testing';
import {
  buildCsr,
  certificateFromDer,
  chainTo,
  decodePem,
  encodePem,
  generateCa,
  isValidAt,
  issueWorkloadCertificate,
  loadCa,
  parseCertificate,
  parseCsr,
  splitCertificates,
} from './index.js';
import type { CaFiles } from './index.js';
import { caOf, crossCertificate, keyChainFor, now, serial, SigningPeer } from './peer.fixture.js';
import { mostRootBytes, mostRoots, readCrossCertificates, readRoots } from './roots.js';

const peer = new SigningPeer();
const rsaCa = generateCa({ trustDomain: 'c.example', now, algorithm: 'rsa', serial: serial() });
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const workload = (ca: CaFiles, ttlSeconds = 3600): string =>
  issueWorkloadCertificate(loadCa(ca, now), {
    csrPem: buildCsr(rsaKey),
    spiffeIds: ['spiffe://c.example/ns/a/sa/b'],
    dnsNames: ['b.a.svc'],
    ips: ['10.0.0.1'],
    ttlSeconds,
    now,
    serial: serial(),
  }).chain.join('');

/** An EC root, an RSA root, a cross-certificate, a workload's under RSA, an Ed25519 signing key's under EC, and one that has expired. */
const certificates = [
  peer.ca['root-cert.pem'],
  rsaCa['root-cert.pem'],
  crossCertificate(peer.ca, caOf('b.example')),
  workload(rsaCa),
  keyChainFor(peer.key, peer.ca, 'b.example')[0] ?? '',
  keyChainFor(peer.key, peer.ca, 'b.example', now - 29 * 24 * 3_600_000)[0] ?? '',
].map((pem) => Buffer.from(decodePem(pem)[0]?.der ?? []));

/** The bytes with one or two changed, some cut off, put in or repeated; sometimes as they are. */
function brokenBytes(dice: Dice, whole: Buffer): Buffer {
  const at = dice.next(whole.length);
  const form = dice.next(8);
  if (form === 0) return whole.subarray(0, at);
  if (form === 1)
    return Buffer.concat([whole.subarray(0, at), Buffer.alloc(dice.next(40), dice.next(256)), whole.subarray(at)]);
  if (form === 2) return Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1 + dice.next(20))]);
  const copy = Buffer.from(whole);
  if (form < 7) copy[at] = dice.next(256);
  if (form === 6) copy[dice.next(copy.length)] = dice.next(256);
  return copy;
}

function brokenPem(dice: Dice): string {
  return encodePem('CERTIFICATE', brokenBytes(dice, dice.pick(certificates)));
}

describe('certificates of others', () => {
  it(
    'RSA, EC and Ed25519, roots and leaves, bytes changed anywhere: facts of the right kinds, or one sentence',
    () =>
      fuzzBothWays((dice) => {
        const read = readOr(
          () => certificateFromDer(brokenBytes(dice, dice.pick(certificates))),
          ({ message }) => /^the CERTIFICATE block is not an X\.509 certificate/.test(message),
        );
        if (read === undefined) return false;
        const texts = [read.subject, read.issuer, read.serial, ...read.uris, ...read.dnsNames, read.subjectKeyId ?? ''];
        if (!texts.every((text) => typeof text === 'string')) throw new Error(read.pem);
        if (!/^[0-9a-f]{64}$/.test(read.fingerprint) || !/^-?[0-9a-f]*$/.test(read.serial))
          throw new Error(read.serial);
        if (!Number.isFinite(read.notBefore) || !Number.isFinite(read.notAfter)) throw new Error(read.pem);
        if (typeof read.isCA !== 'boolean' || read.publicKey.type !== 'public') throw new Error(read.pem);
        return true;
      }),
    fuzzLimitMs,
  );

  it(
    'bundles of roots: certificates that may sign now, no more than the limit, or a refusal that says which and why',
    () =>
      fuzzBothWays((dice) => {
        const some = [...certificates.slice(0, 2).map((der) => encodePem('CERTIFICATE', der)), brokenPem(dice)];
        const bundle = dice.list(4, () => dice.pick(some)).join(dice.pick(['', '\n', '-----END X-----', ' ']));
        const given = dice.next(4) === 0 ? brokenText(dice, bundle) : bundle;
        const read = readRoots(dice.next(40) === 0 ? [given.repeat(dice.next(60))] : [given], now);
        if ('kind' in read) {
          if (read.reason !== 'RootInvalid' || !/^rootCA: /.test(read.message) || read.message.length > 300)
            throw new Error(read.message);
          return false;
        }
        const bytes = read.reduce((sum, { pem }) => sum + pem.length, 0);
        if (read.length === 0 || read.length > mostRoots || bytes > mostRootBytes) throw new Error('not bounded');
        const bad = read.find(({ isCA, notBefore, notAfter }) => !isCA || !(notBefore <= now && now <= notAfter));
        if (bad !== undefined) throw new Error(bad.pem);
        return true;
      }),
    fuzzLimitMs,
  );

  it(
    'cross-certificates: those that can be read and are valid, the others passed over',
    () =>
      fuzzBothWays((dice) => {
        const given = dice.list(4, () => (dice.next(3) === 0 ? brokenText(dice, brokenPem(dice)) : brokenPem(dice)));
        const read = readCrossCertificates(given, now);
        const all = new Set(given.flatMap(splitCertificates));
        if (!read.every((one) => all.has(one.pem) && isValidAt(one, now))) throw new Error(given.join(''));
        return read.length > 0;
      }),
    fuzzLimitMs,
  );

  it(
    'chains of any certificates in any order: a path whose every step is signed by the next and ends at a root, or none',
    () => {
      const [old, fresh, other] = [caOf('b.example'), caOf('b.example'), caOf('x.example')];
      const bridge = crossCertificate(old, fresh);
      const leaves = [old, fresh, other].map((ca) => parseCertificate(workload(ca)));
      const pool = [bridge, crossCertificate(fresh, old), crossCertificate(other, fresh), bridge.trim()].map(
        parseCertificate,
      );
      const roots = [old, fresh, other].map((ca) => parseCertificate(ca['root-cert.pem']));
      return fuzzBothWays((dice) => {
        const leaf = dice.pick(leaves);
        const anchors = dice.list(3, () => dice.pick(roots));
        const path = chainTo(
          leaf,
          dice.list(8, () => dice.pick([...pool, ...leaves])),
          anchors,
          now,
        );
        if (path === undefined) {
          const direct = roots[leaves.indexOf(leaf)];
          if (direct !== undefined && anchors.includes(direct)) throw new Error('the root itself stands there');
          return false;
        }
        const last = path.at(-1);
        if (path[0] !== leaf || last === undefined || !anchors.includes(last)) throw new Error('another path');
        for (const [index, step] of path.slice(0, -1).entries())
          if (!step.x509.verify(path[index + 1]?.publicKey ?? last.publicKey)) throw new Error(step.pem);
        return true;
      });
    },
    fuzzLimitMs,
  );
});

describe('requests of workloads', () => {
  const key = createPrivateKey(rsaCa['ca-key.pem']);
  const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

  it.each([
    ['RSA', buildCsr(key)],
    ['EC', buildCsr(ecKey)],
  ])(
    '%s: bytes changed anywhere: what is still taken is for the same key, what is not is told in one sentence',
    (_algorithm, csr) => {
      const proven = parseCsr(csr).publicKey;
      const der = Buffer.from(decodePem(csr)[0]?.der ?? []);
      return fuzzBothWays((dice) => {
        const text = encodePem('CERTIFICATE REQUEST', brokenBytes(dice, der));
        const read = readOr(
          () => parseCsr(dice.next(4) === 0 ? brokenText(dice, text) : text),
          ({ message }) => /^csr: (no CERTIFICATE REQUEST block|not a PKCS#10 request)/.test(message),
        );
        if (read !== undefined && !read.publicKey.equals(proven)) throw new Error(text);
        return read !== undefined;
      });
    },
    fuzzLimitMs,
  );
});

describe('a plugged-in CA', () => {
  const names = [
    'ca-cert.pem',
    'ca-key.pem',
    'cert-chain.pem',
    'root-cert.pem',
    'ca-crl.pem',
    'cross-cert.pem',
  ] as const;
  const [own, other] = [caOf('a.example'), rsaCa];

  it(
    'any files: a CA that issues what its roots verify, or an error that names the file and shows no key',
    () => {
      const secrets = [own, other].flatMap((ca) => ca['ca-key.pem'].split('\n').slice(1, -2));
      return fuzzBothWays((dice) => {
        const files: Partial<Record<(typeof names)[number], string>> = { ...own };
        const name = dice.pick(names);
        const form = dice.next(5);
        if (form === 0) delete files[name];
        if (form === 1) files[name] = brokenText(dice, files[name] ?? own['root-cert.pem']);
        if (form === 2)
          files[name] = name === 'ca-crl.pem' || name === 'cross-cert.pem' ? brokenPem(dice) : other[name];
        if (form === 3) files[name] = `${files[name] ?? ''}${brokenPem(dice)}`;
        const ca = readOr(
          () => loadCa(files, now),
          ({ message }) =>
            names.some((file) => message.startsWith(`${file}: `)) && !secrets.some((line) => message.includes(line)),
        );
        if (ca === undefined) return false;
        if (!createPublicKey(ca.key).equals(ca.certificate.publicKey)) throw new Error('a key of another certificate');
        const roots = ca.roots.map(parseCertificate);
        const pool = ca.intermediates.map(parseCertificate);
        if (chainTo(ca.certificate, pool, roots, now) === undefined) throw new Error(JSON.stringify(files));
        if (!roots.some(({ fingerprint }) => fingerprint === ca.root)) throw new Error(ca.root);
        return true;
      });
    },
    fuzzLimitMs,
  );
});
