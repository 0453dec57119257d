import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encodeSpiffeBundle, generateCa, parseCertificate } from './index.js';
import { now, serial } from './peer.fixture.js';

describe('SPIFFE bundle', () => {
  const rootOf = (algorithm: 'ec' | 'rsa'): string =>
    generateCa({ trustDomain: 'b.example', now, algorithm, serial: serial() })['root-cert.pem'];
  const roots = [rootOf('rsa'), rootOf('ec')];

  it('holds RSA and EC roots as keys whose certificate is their own', () => {
    const bundle = JSON.parse(encodeSpiffeBundle({ roots, sequence: 7, refreshHintSeconds: 60 })) as {
      keys: { kty: string; use: string; x5c: string[] }[];
    };
    expect(bundle).toMatchObject({ spiffe_sequence: 7, spiffe_refresh_hint: 60 });
    expect(bundle.keys.map(({ kty }) => kty).sort()).toEqual(['EC', 'RSA']);
    for (const { use, x5c, ...jwk } of bundle.keys) {
      expect(use).toBe('x509-svid');
      const certificate = parseCertificate(`-----BEGIN CERTIFICATE-----\n${x5c[0] ?? ''}\n-----END CERTIFICATE-----\n`);
      expect(certificate.publicKey.equals(createPublicKey({ key: jwk, format: 'jwk' }))).toBe(true);
    }
  });

  it('is the same text whatever the order of roots', () => {
    const facts = { sequence: 7, refreshHintSeconds: 60 };
    expect(encodeSpiffeBundle({ ...facts, roots })).toBe(encodeSpiffeBundle({ ...facts, roots: [...roots].reverse() }));
  });
});
