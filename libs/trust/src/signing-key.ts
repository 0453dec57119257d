import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { spkiFingerprint, spkiOf } from './certificate.js';
import { decodePem, encodePem } from './pem.js';
import { readOnce } from './read-once.js';

/** A fresh Ed25519 signing key; the public half under the block type that the reference system reads. */
export interface SigningKeyPair {
  readonly kid: string;
  readonly privatePem: string;
  readonly publicPem: string;
}

const publicLabel = 'ED25519 PUBLIC KEY';

export function generateSigningKey(): SigningKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    kid: keyIdentifier(publicKey),
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: encodePem(publicLabel, spkiOf(publicKey)),
  };
}

/** RFC 7638 thumbprint (SHA-256, base64url) of an Ed25519 public key. */
export function keyIdentifier(publicKey: KeyObject): string {
  const { crv, kty, x } = publicKey.export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}

/** A public signing key as read: our one PEM form, its id, and the fingerprint that pins compare. */
export interface PublicSigningKey {
  readonly pem: string;
  readonly kid: string;
  /** Lower-case hex SHA-256 of the SubjectPublicKeyInfo. */
  readonly fingerprint: string;
}

/** Reads a public key in PKIX PEM, block type `ED25519 PUBLIC KEY` or `PUBLIC KEY`; undefined when it is anything else. */
export const readPublicSigningKey = readOnce(512, (pem): PublicSigningKey | undefined => {
  const block = decodePem(pem).find(({ label }) => label === publicLabel || label === 'PUBLIC KEY');
  if (block === undefined) return undefined;
  try {
    const key = createPublicKey(encodePem('PUBLIC KEY', block.der));
    if (key.asymmetricKeyType !== 'ed25519') return undefined;
    return { pem: encodePem(publicLabel, spkiOf(key)), kid: keyIdentifier(key), fingerprint: spkiFingerprint(key) };
  } catch {
    return undefined;
  }
});
