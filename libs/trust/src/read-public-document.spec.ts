import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { buildCertificate, buildCrl, generateSigningKey, parseCertificate, readPublicDocument } from './index.js';
import type { PeerFacts, PublicDocumentInput, PublicDocumentVerdict } from './index.js';
import { provenInDocuments, signByHand } from './jws.fixture.js';
import {
  caOf,
  crossCertificate,
  keyChainFor,
  keyPin,
  now,
  ownUUID,
  peerUUID,
  rootPin,
  serial,
  SigningPeer,
  trusted,
} from './peer.fixture.js';
import type { DocumentChoices, PeerDocument } from './peer.fixture.js';

const peer = new SigningPeer();
const other = new SigningPeer();
const fresh = generateSigningKey();
const newCa = caOf('b.example');
const seconds = 1000;
const day = 24 * 3600 * seconds;

function read(document: PeerDocument, more: Partial<PublicDocumentInput> = {}): PublicDocumentVerdict {
  return readPublicDocument({
    document,
    proven: provenInDocuments([JSON.stringify(document)], []),
    trustDomain: 'b.example',
    clusterDomain: 'b.example',
    ownClusterUUID: ownUUID,
    verifiedByCa: false,
    now,
    ...more,
  });
}

function accepted(verdict: PublicDocumentVerdict): PeerFacts {
  if (verdict.kind !== 'accepted') throw new Error(verdict.message);
  return verdict.facts;
}

const outcome = (verdict: PublicDocumentVerdict): string =>
  verdict.kind === 'accepted' ? 'accepted' : `${verdict.kind} ${verdict.reason}`;

function tampered(document: PeerDocument, change: (payload: Record<string, unknown>) => object): PeerDocument {
  const [head = '', body = '', signature = ''] = (document.signed ?? '').split('.');
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const changed = Buffer.from(JSON.stringify(change(payload))).toString('base64url');
  return { ...document, signed: `${head}.${changed}.${signature}` };
}

/** The same, signed anew: what a peer with faulty software sends. */
function resigned(change: (payload: Record<string, unknown>) => object): PeerDocument {
  const document = peer.document();
  const body = (document.signed ?? '').split('.')[1] ?? '';
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const signed = signByHand(change(payload), peer.key.privatePem, { kid: peer.key.kid });
  return { ...document, signed };
}

function rootWith(order: { notBefore?: number; notAfter?: number; isCA?: boolean }): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return buildCertificate(
    {
      subject: { commonName: 'root' },
      publicKey,
      serial: serial(),
      notBefore: order.notBefore ?? now - day,
      notAfter: order.notAfter ?? now + day,
      isCA: order.isCA ?? true,
      keyUsage: ['keyCertSign'],
    },
    { key: privateKey },
  ).pem;
}

describe('first contact with a peer that signs', () => {
  it('takes every fact from the signed part', () => {
    const document = { ...peer.document(), authnKeyPub: 'forged', rootCA: 'forged' };
    expect(accepted(read(document))).toMatchObject({
      clusterUUID: peerUUID,
      trustDomain: 'b.example',
      clusterID: 'b-example-1',
      networkName: 'net-b',
      signed: true,
      seq: 1000,
      roots: [parseCertificate(peer.ca['root-cert.pem']).pem],
      keys: [{ kid: peer.key.kid, state: 'current' }],
      crls: [],
    });
  });

  it.each<[string, Partial<PublicDocumentInput>, string]>([
    ['nothing vouches', {}, 'Blind'],
    ['metadata.ca', { verifiedByCa: true }, 'VerifiedCA'],
    ['pinned root', { pins: { roots: [rootPin(peer.ca)] } }, 'Pinned'],
    ['pinned key', { pins: { keys: [keyPin(peer.key)] } }, 'Pinned'],
    ['both', { pins: { roots: [rootPin(peer.ca)], keys: [keyPin(peer.key)] }, verifiedByCa: true }, 'Pinned'],
    ['several pins', { pins: { keys: [keyPin(other.key), keyPin(peer.key)] } }, 'Pinned'],
    ['empty pins', { pins: { roots: [], keys: [] } }, 'Blind'],
  ])('%s', (_name, more, firstContact) => {
    expect(read(peer.document(), more)).toMatchObject({ kind: 'accepted', firstContact });
  });

  it.each<[string, Partial<PublicDocumentInput>]>([
    ['other root pinned', { pins: { roots: [rootPin(other.ca)] } }],
    ['other key pinned', { pins: { keys: [keyPin(other.key)] } }],
    ['key pinned, other root', { pins: { keys: [keyPin(peer.key)], roots: [rootPin(other.ca)] } }],
  ])('refused: %s', (_name, more) => {
    const verdict = read(peer.document(), more);
    expect(outcome(verdict)).toBe('refused PinMismatch');
    expect(verdict).toMatchObject({ message: expect.stringMatching(/sha256:[0-9a-f]{64}/) });
  });

  it.each<[string, () => PeerDocument, Partial<PublicDocumentInput>, string]>([
    ['own UUID', () => peer.document({ clusterUUID: ownUUID }), {}, 'UUIDConflict'],
    ['UUIDs differ inside and outside', () => ({ ...peer.document(), clusterUUID: 'cccc' }), {}, 'SignatureInvalid'],
    ['trust domain of another', () => peer.document({ trustDomain: 'c.example' }), {}, 'TrustDomainConflict'],
    ['cluster domain of another', () => peer.document({ clusterDomain: 'c.example' }), {}, 'DomainConflict'],
    ['no JWS', () => ({ ...peer.document(), signed: 'x' }), {}, 'DocumentInvalid'],
    ['payload changed', () => tampered(peer.document(), (p) => ({ ...p, seq: 2000 })), {}, 'SignatureInvalid'],
    ['signer not among its keys', () => peer.document({ keys: [trusted(fresh)] }), {}, 'SignatureInvalid'],
    ['signer only next', () => peer.document({ keys: [trusted(peer.key, 'next')] }), {}, 'SignatureInvalid'],
    ['signer retired', () => peer.document({ keys: [trusted(peer.key, 'retired')] }), {}, 'SignatureInvalid'],
    ['expired', () => peer.document({ now: now - 3631 * seconds }), {}, 'SignatureInvalid'],
    ['from the future', () => peer.document({ now: now + 31 * seconds }), {}, 'ClockSkew'],
    ['version of tomorrow', () => resigned((p) => ({ ...p, ver: 2 })), {}, 'VersionSkew'],
    ['no version', () => resigned(({ ver: _ver, ...p }) => p), {}, 'VersionSkew'],
    ['seq a text', () => resigned((p) => ({ ...p, seq: '5' })), {}, 'DocumentInvalid'],
    ['seq a fraction', () => resigned((p) => ({ ...p, seq: 1.5 })), {}, 'DocumentInvalid'],
    ['no exp', () => resigned(({ exp: _exp, ...p }) => p), {}, 'DocumentInvalid'],
    ['hostile network name', () => resigned((p) => ({ ...p, networkName: 'a/../b' })), {}, 'DocumentInvalid'],
    ['hostile cluster id', () => resigned((p) => ({ ...p, clusterID: '' })), {}, 'DocumentInvalid'],
    ['tlsCA larger than 64 KiB', () => resigned((p) => ({ ...p, tlsCA: 'x'.repeat(65_537) })), {}, 'DocumentInvalid'],
    ['roots an object', () => resigned((p) => ({ ...p, roots: {} })), {}, 'DocumentInvalid'],
    ['keys empty', () => resigned((p) => ({ ...p, keys: [] })), {}, 'DocumentInvalid'],
    [
      'key of another kind',
      () => resigned((p) => ({ ...p, keys: [{ pem: peer.ca['root-cert.pem'], state: 'current' }] })),
      {},
      'DocumentInvalid',
    ],
    [
      'key state unknown',
      () => resigned((p) => ({ ...p, keys: [{ pem: peer.key.publicPem, state: 'best' }] })),
      {},
      'DocumentInvalid',
    ],
    ['no key chain', () => peer.document({ keyChain: [] }), {}, 'SignatureInvalid'],
    [
      'chain for another key',
      () => peer.document({ keyChain: keyChainFor(fresh, peer.ca, 'b.example') }),
      {},
      'SignatureInvalid',
    ],
    [
      'chain from another CA',
      () => peer.document({ keyChain: keyChainFor(peer.key, other.ca, 'b.example') }),
      {},
      'SignatureInvalid',
    ],
    [
      'chain in another trust domain',
      () => peer.document({ keyChain: keyChainFor(peer.key, peer.ca, 'b.example.evil') }),
      {},
      'SignatureInvalid',
    ],
    [
      'chain expired',
      () => peer.document({ keyChain: keyChainFor(peer.key, peer.ca, 'b.example', now - day) }),
      { now: now },
      'SignatureInvalid',
    ],
    [
      'chain is garbage',
      () => peer.document({ keyChain: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] }),
      {},
      'SignatureInvalid',
    ],
    ['no roots', () => peer.document({ roots: [] }), {}, 'RootInvalid'],
    [
      'root expired',
      () => peer.document({ roots: [peer.ca['root-cert.pem'], rootWith({ notAfter: now - 1000 })] }),
      {},
      'RootInvalid',
    ],
    [
      'root not yet valid',
      () => peer.document({ roots: [rootWith({ notBefore: now + day, notAfter: now + 2 * day })] }),
      {},
      'RootInvalid',
    ],
    ['root no CA', () => peer.document({ roots: [rootWith({ isCA: false })] }), {}, 'RootInvalid'],
    [
      'root unreadable',
      () => peer.document({ roots: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] }),
      {},
      'RootInvalid',
    ],
    ['50 roots', () => peer.document({ roots: Array.from({ length: 50 }, () => rootWith({})) }), {}, 'RootInvalid'],
  ])('refused: %s', (_name, document, more, reason) => {
    const verdict = read(document(), more);
    expect(outcome(verdict)).toBe(`refused ${reason}`);
    expect(verdict).toMatchObject({ message: expect.stringMatching(/.{15}/) });
  });

  it('forgives 30 s of clock difference', () => {
    expect(outcome(read(peer.document({ now: now + 30 * seconds })))).toBe('accepted');
    expect(outcome(read(peer.document({ now: now - 3629 * seconds })))).toBe('accepted');
  });
});

describe('first contact with a legacy peer', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rsaRoot = buildCertificate(
    {
      subject: { organization: 'legacy' },
      publicKey,
      serial: serial(),
      notBefore: now - day,
      notAfter: now + day,
      isCA: true,
      keyUsage: ['keyCertSign'],
    },
    { key: privateKey },
  ).pem;

  it.each<[string, Partial<PeerDocument>]>([
    ['as it comes', {}],
    ['RSA root', { rootCA: rsaRoot }],
    ['key under PUBLIC KEY', { authnKeyPub: peer.key.publicPem.replaceAll('ED25519 PUBLIC KEY', 'PUBLIC KEY') }],
    ['CRLF in PEM', { rootCA: peer.ca['root-cert.pem'].replaceAll('\n', '\r\n') }],
  ])('accepted: %s', (_name, fields) => {
    expect(accepted(read(peer.legacyDocument(fields)))).toMatchObject({
      signed: false,
      seq: 0,
      clusterDomain: 'b.example',
    });
  });

  it.each<[string, Partial<PublicDocumentInput>, string]>([
    ['root and key pinned', { pins: { roots: [rootPin(peer.ca)], keys: [keyPin(peer.key)] } }, 'Pinned'],
    ['only the root: its key could be anybody’s', { pins: { roots: [rootPin(peer.ca)] } }, 'Blind'],
    ['only the key', { pins: { keys: [keyPin(peer.key)] } }, 'Blind'],
    ['metadata.ca', { verifiedByCa: true }, 'VerifiedCA'],
  ])('%s', (_name, more, firstContact) => {
    expect(read(peer.legacyDocument(), more)).toMatchObject({ kind: 'accepted', firstContact });
  });

  it.each<[string, Partial<PeerDocument>, Partial<PublicDocumentInput>, string]>([
    ['key is a certificate', { authnKeyPub: peer.ca['root-cert.pem'] }, {}, 'DocumentInvalid'],
    [
      'key is RSA',
      { authnKeyPub: publicKey.export({ type: 'spki', format: 'pem' }).toString() },
      {},
      'DocumentInvalid',
    ],
    ['root is a key', { rootCA: peer.key.publicPem }, {}, 'RootInvalid'],
    ['other key pinned', {}, { pins: { keys: [keyPin(other.key)] } }, 'PinMismatch'],
    ['own UUID', { clusterUUID: ownUUID }, {}, 'UUIDConflict'],
  ])('refused: %s', (_name, fields, more, reason) => {
    expect(outcome(read(peer.legacyDocument(fields), more))).toBe(`refused ${reason}`);
  });

  it('needs a trust domain from the resource', () => {
    const verdict = readPublicDocument({
      document: peer.legacyDocument(),
      proven: new Map(),
      ownClusterUUID: ownUUID,
      verifiedByCa: false,
      now,
    });
    expect(outcome(verdict)).toBe('refused SpecInvalid');
  });
});

describe('continuity', () => {
  const known = accepted(read(peer.document({ keys: [trusted(peer.key), trusted(fresh, 'next')] })));
  const legacyKnown = accepted(read(peer.legacyDocument()));
  const evil = generateSigningKey();
  const both = [peer.ca['root-cert.pem'], newCa['root-cert.pem']];
  const bySigner =
    (choices: DocumentChoices): (() => PeerDocument) =>
    () =>
      peer.document(choices);

  it.each<[string, PeerFacts, () => PeerDocument, Partial<PublicDocumentInput>, string]>([
    ['the same again', known, bySigner({}), {}, 'accepted'],
    ['newer', known, bySigner({ seq: 1001 }), {}, 'accepted'],
    ['rolled back', known, bySigner({ seq: 999 }), {}, 'refused SignatureInvalid'],
    ['no longer signed', known, () => peer.legacyDocument(), {}, 'refused SignatureInvalid'],
    ['another UUID', known, bySigner({ clusterUUID: 'cccc' }), {}, 'refused UUIDConflict'],
    [
      'key announced before now signs',
      known,
      bySigner({ signer: fresh, keys: [trusted(fresh), trusted(peer.key, 'retired')] }),
      {},
      'accepted',
    ],
    ['unknown key signs', known, bySigner({ signer: evil }), {}, 'held KeyChangedPendingApproval'],
    [
      'unknown key signs and lists the known one',
      known,
      bySigner({ signer: evil, keys: [trusted(evil), trusted(peer.key)] }),
      {},
      'held KeyChangedPendingApproval',
    ],
    ['unknown key, approved', known, bySigner({ signer: evil }), { pins: { keys: [keyPin(evil)] } }, 'accepted'],
    [
      'retired key signs',
      { ...known, keys: [trusted(fresh), trusted(peer.key, 'retired')] },
      bySigner({ seq: 5000, keys: [trusted(peer.key), trusted(evil)] }),
      {},
      'held KeyChangedPendingApproval',
    ],
    ['new root without a word of the old CA', known, bySigner({ roots: both }), {}, 'held RootChangedPendingApproval'],
    [
      'new root with a cross-certificate',
      known,
      bySigner({ roots: both, crossCertificates: [crossCertificate(peer.ca, newCa)] }),
      {},
      'accepted',
    ],
    [
      'old root gone, cross-certificate there',
      known,
      bySigner({
        roots: [newCa['root-cert.pem']],
        keyChain: keyChainFor(peer.key, newCa, 'b.example'),
        crossCertificates: [crossCertificate(peer.ca, newCa)],
      }),
      {},
      'accepted',
    ],
    [
      'cross-certificate of another CA',
      known,
      bySigner({ roots: both, crossCertificates: [crossCertificate(other.ca, newCa)] }),
      {},
      'held RootChangedPendingApproval',
    ],
    [
      'cross-certificate for another root',
      known,
      bySigner({ roots: both, crossCertificates: [crossCertificate(peer.ca, other.ca)] }),
      {},
      'held RootChangedPendingApproval',
    ],
    [
      'cross-certificate, but unknown key',
      known,
      bySigner({ signer: evil, roots: both, crossCertificates: [crossCertificate(peer.ca, newCa)] }),
      {},
      'held KeyChangedPendingApproval',
    ],
    [
      'key approved, new root not',
      known,
      bySigner({ signer: evil, roots: both, crossCertificates: [crossCertificate(peer.ca, newCa)] }),
      { pins: { keys: [keyPin(evil)] } },
      'held RootChangedPendingApproval',
    ],
    ['new root approved', known, bySigner({ roots: both }), { pins: { roots: [rootPin(newCa)] } }, 'accepted'],
    ['a root less', { ...known, roots: both }, bySigner({}), {}, 'accepted'],
    ['expired new document', known, bySigner({ now: now - day }), {}, 'refused SignatureInvalid'],
    ['legacy, the same again', legacyKnown, () => peer.legacyDocument(), {}, 'accepted'],
    [
      'legacy, other key',
      legacyKnown,
      () => peer.legacyDocument({ authnKeyPub: evil.publicPem }),
      {},
      'held KeyChangedPendingApproval',
    ],
    [
      'legacy, other key approved',
      legacyKnown,
      () => peer.legacyDocument({ authnKeyPub: evil.publicPem }),
      { pins: { keys: [keyPin(evil)] } },
      'accepted',
    ],
    [
      'legacy, other root',
      legacyKnown,
      () => peer.legacyDocument({ rootCA: both.join('') }),
      {},
      'held RootChangedPendingApproval',
    ],
    [
      'legacy, other root approved',
      legacyKnown,
      () => peer.legacyDocument({ rootCA: both.join('') }),
      { pins: { roots: [rootPin(newCa)] } },
      'accepted',
    ],
    ['legacy, other UUID', legacyKnown, () => peer.legacyDocument({ clusterUUID: 'cccc' }), {}, 'refused UUIDConflict'],
    ['legacy begins to sign with its key', legacyKnown, bySigner({}), {}, 'accepted'],
    [
      'legacy begins to sign with another key',
      legacyKnown,
      bySigner({ signer: evil }),
      {},
      'held KeyChangedPendingApproval',
    ],
  ])('%s', (_name, before, document, more, expected) => {
    const verdict = read(document(), { known: before, ...more });
    expect(outcome(verdict)).toBe(expected);
    if (verdict.kind === 'held') expect(verdict.message).toContain(`sha256:${verdict.fingerprint}`);
  });
});

describe('what one peer may take of the trust registry', () => {
  const large = (bytes: number): string => {
    const revoked = Array.from({ length: bytes / 30 }, () => ({ serial: randomBytes(16), at: now - day }));
    return buildCrl({
      issuer: parseCertificate(peer.ca['root-cert.pem']),
      key: createPrivateKey(peer.ca['ca-key.pem']),
      number: 1,
      thisUpdate: now - day,
      nextUpdate: now + day,
      revoked,
    });
  };
  /** A self-signed CA whose name alone is so large. */
  const bulky = (bytes: number): string => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return buildCertificate(
      {
        subject: { organization: 'x'.repeat(bytes) },
        publicKey,
        serial: randomBytes(16),
        notBefore: now - day,
        notAfter: now + day,
        isCA: true,
        keyUsage: ['keyCertSign'],
      },
      { key: privateKey },
    ).pem;
  };

  it('is bounded: bulky roots are refused with the remedy, whoever shows them', () => {
    const roots = [peer.ca['root-cert.pem'], bulky(60_000)];
    for (const document of [peer.legacyDocument({ rootCA: roots.join('') }), peer.document({ roots })])
      expect(read(document)).toMatchObject({ reason: 'RootInvalid', message: expect.stringMatching(/at most 64 KiB/) });
    expect(outcome(read(peer.document({ roots: [peer.ca['root-cert.pem'], bulky(20_000)] })))).toBe('accepted');
  });

  it('is bounded: bulky revocation lists are refused, not left out unseen', () => {
    const crls = [large(30_000), ...Array.from({ length: 6 }, () => large(40_000))];
    for (const document of [peer.legacyDocument({ crl: crls.join('') }), peer.document({ crls })])
      expect(read(document)).toMatchObject({
        reason: 'DocumentInvalid',
        message: expect.stringMatching(/at most 256 KiB/),
      });
    expect(accepted(read(peer.document({ crls: [large(40_000)] }))).crls).toHaveLength(1);
  });
});

describe('revocation lists of a document', () => {
  const issuer = parseCertificate(peer.ca['root-cert.pem']);
  const list = (thisUpdate: number, nextUpdate: number): string =>
    buildCrl({ issuer, key: createPrivateKey(peer.ca['ca-key.pem']), number: 1, thisUpdate, nextUpdate, revoked: [] });

  it('are facts when complete and current, else a fault', () => {
    const good = list(now - day, now + day);
    expect(accepted(read(peer.document({ crls: [good] })))).toMatchObject({ crls: [good], crlsUntil: now + day });
    const stale = accepted(read(peer.document({ crls: [list(now - 2 * day, now - day)] })));
    expect(stale).toMatchObject({ crls: [], crlFault: expect.stringContaining('valid now') });
    expect(accepted(read(peer.legacyDocument({ crl: good })))).toMatchObject({ crls: [good] });
    expect(accepted(read(peer.legacyDocument({ crl: 'x' })))).toMatchObject({ crls: [] });
  });
});
