import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { TrustedKey } from '#model';
import {
  buildCertificate,
  buildCsr,
  generateCa,
  generateSigningKey,
  issueWorkloadCertificate,
  loadCa,
  parseCertificate,
  documentType,
  privatePayloadFor,
  publicPayloadFor,
  readPublicDocument,
  spkiFingerprint,
  subjectDerOf,
} from './index.js';
import type {
  CaFiles,
  Freshness,
  Parties,
  PublicDocumentInput,
  PublicDocumentVerdict,
  PublicFacts,
  SigningIdentity,
  SigningKeyPair,
} from './index.js';
import { signByHand } from './jws.fixture.js';

/** A fixed moment for specs: 2026-01-01. */
export const now = Date.UTC(2026, 0, 1);
export const ownUUID = 'aaaa-own';
export const peerUUID = 'bbbb-peer';

export type PeerDocument = PublicDocumentInput['document'];

export interface DocumentChoices {
  readonly signer?: SigningKeyPair;
  readonly keys?: readonly TrustedKey[];
  readonly roots?: readonly string[];
  readonly keyChain?: readonly string[];
  readonly crossCertificates?: readonly string[];
  readonly crls?: readonly string[];
  readonly seq?: number;
  readonly now?: number;
  readonly lifetimeSeconds?: number;
  readonly clusterUUID?: string;
  readonly trustDomain?: string;
  readonly clusterDomain?: string;
}

let serials = 0;

export function serial(): Uint8Array {
  serials += 1;
  return Buffer.from(String(serials).padStart(16, '0'));
}

export function caOf(trustDomain: string, at = now): CaFiles {
  return generateCa({ trustDomain, now: at, algorithm: 'ec', serial: serial() });
}

/** The old CA certifies the new one's key: what lets peers follow a change of root. */
export function crossCertificate(old: CaFiles, fresh: CaFiles): string {
  const root = parseCertificate(fresh['root-cert.pem']);
  return buildCertificate(
    {
      subject: {},
      subjectDer: subjectDerOf(root),
      publicKey: root.publicKey,
      serial: serial(),
      notBefore: now - 1000,
      notAfter: now + 1e9,
      isCA: true,
      keyUsage: ['keyCertSign', 'cRLSign'],
    },
    { key: createPrivateKey(old['ca-key.pem']), certificate: parseCertificate(old['ca-cert.pem']) },
  ).pem;
}

export function keyChainFor(key: SigningKeyPair, ca: CaFiles, trustDomain: string, at = now): readonly string[] {
  return issueWorkloadCertificate(loadCa(ca, at), {
    csrPem: buildCsr(createPrivateKey(key.privatePem)),
    spiffeIds: [`spiffe://${trustDomain}/ns/isthmus-system/sa/isthmus-controller`],
    ttlSeconds: 3600,
    now: at,
    serial: serial(),
  }).chain;
}

export function trusted(key: SigningKeyPair, state: TrustedKey['state'] = 'current'): TrustedKey {
  return { kid: key.kid, pem: key.publicPem, state };
}

export function rootPin(ca: CaFiles): string {
  return `sha256:${parseCertificate(ca['root-cert.pem']).fingerprint}`;
}

export function keyPin(key: SigningKeyPair): string {
  return `sha256:${spkiFingerprint(createPublicKey(createPrivateKey(key.privatePem)))}`;
}

/** A public document's `signed`, by hand. */
export function signPublicDocument(facts: PublicFacts, freshness: Freshness, signer: SigningIdentity): string {
  return byHand('public', publicPayloadFor(facts, freshness), signer);
}

/** A private document's `signed`, by hand. */
export function signPrivateDocument(
  content: object,
  parties: Parties,
  freshness: Freshness,
  signer: SigningIdentity,
): string {
  return byHand('private', privatePayloadFor(content, parties, freshness), signer);
}

function byHand(sort: keyof typeof documentType, payload: object, { kid, privatePem }: SigningIdentity): string {
  return signByHand(payload, privatePem, { kid, typ: documentType[sort] });
}

/** A peer that signs: its CA, its key, and documents made of them with anything changed. */
export class SigningPeer {
  readonly key = generateSigningKey();
  readonly ca: CaFiles;

  constructor(readonly trustDomain = 'b.example') {
    this.ca = caOf(trustDomain, now - 30 * 24 * 3600 * 1000);
  }

  document(choices: DocumentChoices = {}): PeerDocument {
    const signer = choices.signer ?? this.key;
    const trustDomain = choices.trustDomain ?? this.trustDomain;
    const clusterUUID = choices.clusterUUID ?? peerUUID;
    const roots = choices.roots ?? [this.ca['root-cert.pem']];
    const signed = signPublicDocument(
      {
        identity: {
          clusterUUID,
          clusterID: 'b-example-1',
          trustDomain,
          clusterDomain: choices.clusterDomain ?? trustDomain,
          networkName: 'net-b',
        },
        roots,
        keys: choices.keys ?? [trusted(signer)],
        keyChain: choices.keyChain ?? keyChainFor(signer, this.ca, trustDomain),
        tlsCA: '',
        crls: choices.crls ?? [],
        ...(choices.crossCertificates === undefined ? {} : { crossCertificates: choices.crossCertificates }),
      },
      { seq: choices.seq ?? 1000, now: choices.now ?? now, lifetimeSeconds: choices.lifetimeSeconds ?? 3600 },
      signer,
    );
    return { clusterUUID, authnKeyPub: signer.publicPem, rootCA: roots.join(''), signed };
  }

  /** What becomes of its document with whoever first meets it. */
  firstVerdict(choices: DocumentChoices): PublicDocumentVerdict['kind'] {
    const document = this.document(choices);
    return readPublicDocument({
      document,
      proven: new Map([[document.signed ?? '', this.key.publicPem]]),
      trustDomain: this.trustDomain,
      clusterDomain: this.trustDomain,
      ownClusterUUID: ownUUID,
      verifiedByCa: false,
      now,
    }).kind;
  }

  legacyDocument(fields: Partial<PeerDocument> = {}): PeerDocument {
    return {
      clusterUUID: peerUUID,
      authnKeyPub: this.key.publicPem,
      rootCA: this.ca['root-cert.pem'],
      ...fields,
    };
  }
}
