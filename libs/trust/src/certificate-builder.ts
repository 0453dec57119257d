import { createHash, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Certificate, KeyUsage } from './certificate.js';
import { certificateFromDer, keyUsages, spkiOf } from './certificate.js';
import {
  bits,
  boolean,
  bytesOf,
  childrenOf,
  fromDer,
  integer,
  objectId,
  octets,
  positiveInteger,
  sequence,
  set,
  tagged,
  time,
  toDer,
  utf8,
} from './der.js';
import type { Node } from './der.js';
import { oid } from './oids.js';
import { encodePem } from './pem.js';
import { algorithmIdentifier, signDer } from './signature.js';

export interface DistinguishedName {
  readonly organization?: string;
  readonly commonName?: string;
}

export interface Signer {
  readonly key: KeyObject;
  /** Undefined for a self-signed certificate. */
  readonly certificate?: Certificate;
}

/** What goes into a certificate; times in Unix milliseconds, serial as 1 to 20 bytes. */
export interface CertificateOrder {
  readonly subject: DistinguishedName;
  /** Subject as DER, for cross-certificates that must repeat an existing name. */
  readonly subjectDer?: Uint8Array;
  readonly publicKey: KeyObject;
  readonly serial: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly isCA: boolean;
  readonly pathLength?: number;
  readonly keyUsage: readonly KeyUsage[];
  readonly extendedKeyUsage?: readonly ('serverAuth' | 'clientAuth')[];
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ips?: readonly string[];
}

/** Builds and signs an X.509 v3 certificate (RFC 5280). Any public key; the signer's key is RSA, EC or Ed25519. */
export function buildCertificate(order: CertificateOrder, signer: Signer): Certificate {
  const subject = order.subjectDer === undefined ? nameOf(order.subject) : fromDer(order.subjectDer);
  const issuer = signer.certificate === undefined ? subject : subjectNode(signer.certificate);
  const algorithm = algorithmIdentifier(signer.key);
  const body = sequence(
    tagged(0, [integer(2)]),
    positiveInteger(order.serial),
    algorithm,
    issuer,
    sequence(time(order.notBefore), time(order.notAfter)),
    subject,
    fromDer(spkiOf(order.publicKey)),
    tagged(3, [sequence(...extensionsFor(order, signer))]),
  );
  const signature = signDer(signer.key, toDer(body));
  return certificateFromDer(toDer(sequence(body, algorithm, bits(signature))));
}

/** DER of a certificate's subject. */
export function subjectDerOf(certificate: Certificate): Buffer {
  return toDer(subjectNode(certificate));
}

/** SHA-1 of the public key's bits, as RFC 5280 section 4.2.1.2 method (1) forms key ids. Not a security property. */
export function keyIdOf(key: KeyObject): Buffer {
  const bitString = childrenOf(fromDer(spkiOf(key)))[1];
  return createHash('sha1').update(bytesOf(bitString).subarray(1)).digest();
}

export function publicKeyFromSpki(der: Uint8Array): KeyObject {
  return createPublicKey(encodePem('PUBLIC KEY', der));
}

function subjectNode(certificate: Certificate): Node {
  const fields = childrenOf(childrenOf(fromDer(certificate.der))[0]);
  const node = fields[5];
  if (node === undefined) throw new Error('the issuing certificate has no subject: it is no X.509 v3 certificate');
  return node;
}

function nameOf(name: DistinguishedName): Node {
  const part = (id: string, value: string | undefined): readonly Node[] =>
    value === undefined ? [] : [set(sequence(objectId(id), utf8(value)))];
  return sequence(...part(oid.organization, name.organization), ...part(oid.commonName, name.commonName));
}

function extensionsFor(order: CertificateOrder, signer: Signer): readonly Node[] {
  const issuerKey = signer.certificate === undefined ? order.publicKey : signer.certificate.publicKey;
  const names = alternativeNames(order);
  const emptySubject =
    order.subjectDer === undefined &&
    order.subject.commonName === undefined &&
    order.subject.organization === undefined;
  return [
    extension(oid.keyUsage, true, keyUsageBits(order.keyUsage)),
    ...(order.extendedKeyUsage === undefined
      ? []
      : [
          extension(
            oid.extendedKeyUsage,
            false,
            sequence(...order.extendedKeyUsage.map((usage) => objectId(oid[usage]))),
          ),
        ]),
    extension(oid.basicConstraints, true, basicConstraints(order)),
    extension(oid.subjectKeyIdentifier, false, octets(keyIdOf(order.publicKey))),
    extension(oid.authorityKeyIdentifier, false, sequence(tagged(0, authorityKeyId(signer, issuerKey)))),
    ...(names.length === 0 ? [] : [extension(oid.subjectAltName, emptySubject, sequence(...names))]),
  ];
}

/** The issuer's own subject key id where it has one: an old CA may have formed it another way. */
function authorityKeyId(signer: Signer, issuerKey: KeyObject): Buffer {
  const named = signer.certificate?.subjectKeyId;
  return named === undefined ? keyIdOf(issuerKey) : Buffer.from(named, 'hex');
}

function extension(id: string, critical: boolean, value: Node): Node {
  return sequence(objectId(id), ...(critical ? [boolean(true)] : []), octets(toDer(value)));
}

function basicConstraints(order: CertificateOrder): Node {
  if (!order.isCA) return sequence();
  return sequence(boolean(true), ...(order.pathLength === undefined ? [] : [integer(order.pathLength)]));
}

function keyUsageBits(usages: readonly KeyUsage[]): Node {
  const byte = keyUsages.reduce((sum, usage, bit) => (usages.includes(usage) ? sum | (0x80 >> bit) : sum), 0);
  const unused = byte === 0 ? 0 : Math.log2(byte & -byte);
  return bits(Buffer.from([byte]), unused);
}

function alternativeNames(order: CertificateOrder): readonly Node[] {
  return [
    ...(order.uris ?? []).map((uri) => tagged(6, Buffer.from(uri, 'utf8'))),
    ...(order.dnsNames ?? []).map((name) => tagged(2, Buffer.from(name, 'utf8'))),
    ...(order.ips ?? [])
      .filter((ip) => ipaddr.isValid(ip))
      .map((ip) => tagged(7, Buffer.from(ipaddr.parse(ip).toByteArray()))),
  ];
}
