import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { generateSigningKey, keyIdentifier, readPublicSigningKey } from './index.js';

describe('signing keys', () => {
  it('kid is the thumbprint of RFC 8037, appendix A.3', () => {
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
      format: 'jwk',
    });
    expect(keyIdentifier(key)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  it('reads its own PEM and the one with the usual label, and gives one form', () => {
    const { publicPem, kid } = generateSigningKey();
    expect(publicPem).toContain('-----BEGIN ED25519 PUBLIC KEY-----');
    const usual = publicPem.replaceAll('ED25519 PUBLIC KEY', 'PUBLIC KEY');
    expect(readPublicSigningKey(usual)).toEqual(readPublicSigningKey(publicPem));
    expect(readPublicSigningKey(`text before\n${usual.replaceAll('\n', '\r\n')}`)).toMatchObject({
      kid,
      pem: publicPem,
    });
  });

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
  it.each([
    ['empty', ''],
    ['text', 'key'],
    ['RSA', rsa.toString()],
    ['private', generateSigningKey().privatePem],
    ['garbage', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
  ])('refuses %s', (_name, pem) => {
    expect(readPublicSigningKey(pem)).toBeUndefined();
  });
});
