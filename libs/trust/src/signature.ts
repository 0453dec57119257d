import { sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { nothing, objectId, sequence } from './der.js';
import type { Node } from './der.js';
import { oid } from './oids.js';

interface SignatureAlgorithm {
  readonly oid: string;
  readonly hash: string | null;
  readonly withNull: boolean;
}

const byCurve: Readonly<Record<string, SignatureAlgorithm>> = {
  prime256v1: { oid: oid.ecdsaWithSha256, hash: 'sha256', withNull: false },
  secp384r1: { oid: oid.ecdsaWithSha384, hash: 'sha384', withNull: false },
  secp521r1: { oid: oid.ecdsaWithSha512, hash: 'sha512', withNull: false },
};

/** Which algorithm a key signs X.509 structures with; throws for key types that no proxy would accept. */
function algorithmOf(key: KeyObject): SignatureAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return { oid: oid.rsaWithSha256, hash: 'sha256', withNull: true };
  if (key.asymmetricKeyType === 'ed25519') return { oid: oid.ed25519, hash: null, withNull: false };
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const found = key.asymmetricKeyType === 'ec' ? byCurve[curve] : undefined;
  if (found === undefined)
    throw new Error(
      `key of type ${key.asymmetricKeyType ?? 'secret'} ${curve}: use RSA, P-256, P-384, P-521 or Ed25519`,
    );
  return found;
}

/** AlgorithmIdentifier for signatures made with this key. */
export function algorithmIdentifier(key: KeyObject): Node {
  const { oid: id, withNull } = algorithmOf(key);
  return withNull ? sequence(objectId(id), nothing()) : sequence(objectId(id));
}

export function signDer(key: KeyObject, content: Uint8Array): Buffer {
  return sign(algorithmOf(key).hash, content, key);
}

const hashes: Readonly<Record<string, string | null>> = {
  [oid.rsaWithSha256]: 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  [oid.ecdsaWithSha256]: 'sha256',
  [oid.ecdsaWithSha384]: 'sha384',
  [oid.ecdsaWithSha512]: 'sha512',
  [oid.ed25519]: null,
};

/** True when the signature over these bytes was made by this public key; false for algorithms we do not take (SHA-1, MD5). */
export function signatureHolds(key: KeyObject, algorithm: string, content: Uint8Array, signature: Uint8Array): boolean {
  const hash = hashes[algorithm];
  if (hash === undefined) return false;
  try {
    return verify(hash, content, key, signature);
  } catch {
    return false;
  }
}
