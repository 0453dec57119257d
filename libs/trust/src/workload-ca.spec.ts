import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import {
  buildCertificate,
  buildCsr,
  chainTo,
  generateCa,
  isIssuedBy,
  issueWorkloadCertificate,
  loadCa,
  parseCertificate,
  parseCsr,
} from './index.js';
import type { CaFiles } from './index.js';

const now = Date.now();
const serial = (byte: number): Uint8Array => new Uint8Array(16).fill(byte);
const folder = mkdtempSync(join(tmpdir(), 'trust-'));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function keyOf(type: string): KeyObject {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  return generateKeyPairSync('ec', { namedCurve: type }).privateKey;
}

function opensslAccepts(root: string, chain: readonly string[]): string {
  writeFileSync(join(folder, 'root'), root);
  writeFileSync(join(folder, 'leaf'), chain[0] ?? '');
  writeFileSync(join(folder, 'rest'), chain.slice(1).join(''));
  const untrusted = chain.length > 1 ? ['-untrusted', join(folder, 'rest')] : [];
  return execFileSync(
    'openssl',
    ['verify', '-x509_strict', '-CAfile', join(folder, 'root'), ...untrusted, join(folder, 'leaf')],
    { encoding: 'utf8' },
  );
}

function pluggedIn(rootType: string, intermediateType: string): CaFiles {
  const rootKey = keyOf(rootType);
  const common = {
    notBefore: now - 1000,
    notAfter: now + 1e9,
    isCA: true,
    keyUsage: ['keyCertSign', 'cRLSign'] as const,
  };
  const rootPublic = x509Public(rootKey);
  const root = buildCertificate(
    { ...common, subject: { commonName: 'root' }, publicKey: rootPublic, serial: serial(1) },
    { key: rootKey },
  );
  const key = keyOf(intermediateType);
  const intermediate = buildCertificate(
    {
      ...common,
      subject: { commonName: 'intermediate' },
      publicKey: x509Public(key),
      serial: serial(2),
      pathLength: 0,
    },
    { key: rootKey, certificate: root },
  );
  return {
    'ca-cert.pem': intermediate.pem,
    'ca-key.pem': key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'cert-chain.pem': intermediate.pem + root.pem,
    'root-cert.pem': root.pem,
  };
}

function x509Public(key: KeyObject): KeyObject {
  return parseCsr(buildCsr(key)).publicKey;
}

describe('workload CA', () => {
  it.each([
    ['ec', 'ec', 'prime256v1'],
    ['rsa', 'rsa', 'rsa'],
    ['generated ec', 'ec', 'rsa'],
    ['generated rsa', 'rsa', 'prime256v1'],
    ['generated ec, Ed25519 workload', 'ec', 'ed25519'],
  ])('generated %s: issues what OpenSSL and a second implementation accept', (_name, algorithm, workload) => {
    const files = generateCa({
      trustDomain: 'east.example',
      now,
      algorithm: algorithm as 'ec' | 'rsa',
      serial: serial(7),
    });
    const ca = loadCa(files, now);
    const spiffe = 'spiffe://east.example/ns/demo/sa/echo';
    const issued = issueWorkloadCertificate(ca, {
      csrPem: buildCsr(keyOf(workload)),
      spiffeIds: [spiffe],
      dnsNames: ['istiod.istio-system.svc'],
      ttlSeconds: 3600,
      now,
      serial: serial(9),
    });
    expect(opensslAccepts(ca.roots.join(''), issued.chain)).toContain('OK');
    const leaf = parseCertificate(issued.chain[0] ?? '');
    expect(leaf).toMatchObject({
      isCA: false,
      uris: [spiffe],
      dnsNames: ['istiod.istio-system.svc'],
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      subject: '',
    });
    const second = new x509.X509Certificate(issued.chain[0] ?? '');
    const san = second.getExtension(x509.SubjectAlternativeNameExtension);
    expect(san?.critical).toBe(true);
    expect(san?.names.items.map((name) => name.value)).toContain(spiffe);
    expect(leaf.notAfter - now).toBeLessThanOrEqual(3600_000);
    expect(leaf.notBefore).toBeLessThan(now);
  });

  it.each([
    ['rsa', 'prime256v1'],
    ['prime256v1', 'rsa'],
    ['secp384r1', 'secp384r1'],
  ])('plugged in: root %s, intermediate %s', (rootType, intermediateType) => {
    const files = pluggedIn(rootType, intermediateType);
    const ca = loadCa(files, now);
    expect(ca.intermediates).toHaveLength(1);
    // Keys of two kinds were compared: nothing of that is left in OpenSSL for the next key that is read.
    expect(loadCa(files, now).intermediates).toHaveLength(1);
    const issued = issueWorkloadCertificate(ca, {
      csrPem: buildCsr(keyOf('rsa')),
      spiffeIds: ['spiffe://a/ns/b/sa/c'],
      ttlSeconds: 0,
      now,
      serial: serial(3),
    });
    expect(issued.chain).toHaveLength(2);
    expect(opensslAccepts(ca.roots.join(''), issued.chain)).toContain('OK');
  });

  it('clamps the end to the signer’s and refuses ninety-one days', () => {
    const ca = loadCa(pluggedIn('prime256v1', 'prime256v1'), now);
    const order = {
      csrPem: buildCsr(keyOf('prime256v1')),
      spiffeIds: ['spiffe://a/ns/b/sa/c'],
      now,
      serial: serial(3),
    };
    expect(issueWorkloadCertificate(ca, { ...order, ttlSeconds: 80 * 86_400 }).notAfter).toBeLessThanOrEqual(
      ca.certificate.notAfter,
    );
    expect(() => issueWorkloadCertificate(ca, { ...order, ttlSeconds: 91 * 86_400 })).toThrow(/validity_duration/);
  });

  it.each<[string, Partial<Record<keyof CaFiles, string>>, RegExp]>([
    ['no key', { 'ca-key.pem': '' }, /ca-key\.pem: missing/],
    [
      'another key',
      { 'ca-key.pem': keyOf('prime256v1').export({ type: 'pkcs8', format: 'pem' }).toString() },
      /does not belong/,
    ],
    ['garbage', { 'ca-cert.pem': 'hello' }, /ca-cert\.pem: not readable/],
    [
      'a chain that leads nowhere',
      { 'root-cert.pem': generateCa({ trustDomain: 'x', now, algorithm: 'ec', serial: serial(1) })['root-cert.pem'] },
      /cert-chain\.pem/,
    ],
  ])('says what is wrong with %s', (_name, change, message) => {
    expect(() => loadCa({ ...pluggedIn('prime256v1', 'prime256v1'), ...change }, now)).toThrow(message);
  });

  it('refuses an expired CA', () => {
    expect(() => loadCa(pluggedIn('prime256v1', 'prime256v1'), now + 2e9)).toThrow(/expired/);
  });
});

describe('requests and chains', () => {
  it('refuses a request whose signature was made by another key', () => {
    const pem = buildCsr(keyOf('prime256v1'));
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 0xff;
    const broken = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    expect(() => parseCsr(broken)).toThrow(/signature holds/);
    expect(() => parseCsr('x')).toThrow(/CERTIFICATE REQUEST/);
  });

  it('takes no leaf for an issuer', () => {
    const files = generateCa({ trustDomain: 'a', now, algorithm: 'ec', serial: serial(1) });
    const ca = loadCa(files, now);
    const key = keyOf('prime256v1');
    const leaf = parseCertificate(
      issueWorkloadCertificate(ca, {
        csrPem: buildCsr(key),
        spiffeIds: ['spiffe://a/x'],
        ttlSeconds: 60,
        now,
        serial: serial(2),
      }).chain[0] ?? '',
    );
    const forged = buildCertificate(
      {
        subject: {},
        publicKey: x509Public(keyOf('prime256v1')),
        serial: serial(4),
        notBefore: now - 1000,
        notAfter: now + 1000,
        isCA: false,
        keyUsage: ['digitalSignature'],
        uris: ['spiffe://a/admin'],
      },
      { key, certificate: leaf },
    );
    expect(isIssuedBy(leaf, ca.certificate)).toBe(true);
    expect(isIssuedBy(forged, leaf)).toBe(false);
    expect(chainTo(forged, [leaf], [ca.certificate], now)).toBeUndefined();
    expect(chainTo(leaf, [], [ca.certificate], now + 3600_000)).toBeUndefined();
  });

  it('reads a legacy RSA root without KeyUsage and key ids, and issues under it', () => {
    writeFileSync(
      join(folder, 'cnf'),
      '[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nO=legacy\n[ca]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n',
    );
    const [crt, key] = [join(folder, 'crt'), join(folder, 'key')];
    const kind = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '10', '-config', join(folder, 'cnf')];
    execFileSync('openssl', [...kind, '-keyout', key, '-out', crt], { stdio: 'ignore' });
    const pem = readFileSync(crt, 'utf8');
    const root = parseCertificate(pem);
    expect(root.isCA).toBe(true);
    expect([root.keyUsage, root.subjectKeyId]).toEqual([undefined, undefined]);
    expect(execFileSync('openssl', ['x509', '-noout', '-text'], { input: pem, encoding: 'utf8' })).not.toContain(
      'Key Identifier',
    );
    const files = { 'ca-cert.pem': pem, 'ca-key.pem': readFileSync(key, 'utf8'), 'cert-chain.pem': pem };
    const { chain } = issueWorkloadCertificate(loadCa({ ...files, 'root-cert.pem': pem }, Date.now()), {
      csrPem: buildCsr(keyOf('prime256v1')),
      spiffeIds: ['spiffe://a/x'],
      ttlSeconds: 60,
      now: Date.now(),
      serial: serial(3),
    });
    writeFileSync(join(folder, 'leaf'), chain[0] ?? '');
    expect(execFileSync('openssl', ['verify', '-CAfile', crt, join(folder, 'leaf')], { encoding: 'utf8' })).toMatch(
      /leaf: OK/,
    );
    expect(chainTo(parseCertificate(chain[0] ?? ''), [], [root], Date.now())).toHaveLength(2);
  });
});
