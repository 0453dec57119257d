import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { publicKeyFromSpki } from './certificate-builder.js';
import { spkiOf } from './certificate.js';
import { bits, bytesOf, childrenOf, dottedOf, fromDer, integer, isObjectId, sequence, tagged, toDer } from './der.js';
import { decodePem, encodePem } from './pem.js';
import { algorithmIdentifier, signatureHolds, signDer } from './signature.js';

/** What a certification request proves: somebody holds the private key of this public key. Its names are not taken. */
export interface CertificationRequest {
  readonly publicKey: KeyObject;
}

/** Reads a PKCS#10 request (RFC 2986) and checks its signature; throws an error that says what is wrong. */
export function parseCsr(pem: string): CertificationRequest {
  const block = decodePem(pem).find(({ label }) => /^(NEW )?CERTIFICATE REQUEST$/.test(label));
  if (block === undefined) throw new Error('csr: no CERTIFICATE REQUEST block; PEM was expected');
  try {
    return requestFromDer(block.der);
  } catch (cause) {
    throw new Error('csr: not a PKCS#10 request whose signature holds (RSA, ECDSA with SHA-2, or Ed25519)', { cause });
  }
}

function requestFromDer(der: Buffer): CertificationRequest {
  const [info, algorithm, signature] = childrenOf(fromDer(der));
  const id = childrenOf(algorithm)[0];
  const spki = childrenOf(info)[2];
  if (info === undefined || spki === undefined || !isObjectId(id)) throw new Error('fields are missing');
  const publicKey = publicKeyFromSpki(toDer(spki));
  if (!signatureHolds(publicKey, dottedOf(id), toDer(info), bytesOf(signature).subarray(1)))
    throw new Error('the signature does not hold');
  return { publicKey };
}

/** PEM request with an empty subject for this private key: names come from the authenticated identity, never from the request. */
export function buildCsr(privateKey: KeyObject): string {
  const algorithm = algorithmIdentifier(privateKey);
  const info = sequence(integer(0), sequence(), fromDer(spkiOf(createPublicKey(privateKey))), tagged(0, []));
  return encodePem('CERTIFICATE REQUEST', toDer(sequence(info, algorithm, bits(signDer(privateKey, toDer(info))))));
}
