import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, readOr } from '#testing';
import type { Dice } from '#testing';
import {
  generateSigningKey,
  parseCertificate,
  proveSignatures,
  readPrivateDocument,
  readPublicDocument,
  splitCertificates,
} from './index.js';
import type {
  Certificate,
  PrivateDocumentVerdict,
  PublicDocumentInput,
  PublicDocumentVerdict,
  SigningKeyPair,
} from './index.js';
import { signByHand } from './jws.fixture.js';
import {
  caOf,
  crossCertificate,
  keyChainFor,
  keyPin,
  now,
  ownUUID,
  peerUUID,
  rootPin,
  SigningPeer,
  trusted,
} from './peer.fixture.js';
import { mostRootBytes, mostRoots } from './roots.js';

// A hostile peer signs what it likes: these payloads get past the signature.

const peer = new SigningPeer();
const nextKey = generateSigningKey();
const nextCa = caOf('b.example');
const stranger = new SigningPeer('x.example');
const seconds = Math.floor(now / 1000);
const chain = keyChainFor(peer.key, peer.ca, 'b.example');
const payload = {
  ver: 1,
  clusterUUID: peerUUID,
  seq: 1000,
  iat: seconds,
  exp: seconds + 3600,
  trustDomain: 'b.example',
  clusterDomain: 'b.example',
  clusterID: 'b-example-1',
  networkName: 'net-b',
  roots: [peer.ca['root-cert.pem']],
  keys: [trusted(peer.key), trusted(nextKey, 'next')],
  keyChain: chain,
  tlsCA: '',
  crls: [] as string[],
  crossCertificates: [] as string[],
};
const memberNames = [...Object.keys(payload), 'kid', 'pem', 'state', '__proto__', 'constructor'];
const knownRoots = new Set([peer.ca['root-cert.pem'], nextCa['root-cert.pem'], stranger.ca['root-cert.pem']]);

/** Certificates that exist: of the peer, of its next CA, and of somebody else whose root the peer may show all the same. */
const certificates = [
  ...chain,
  ...knownRoots,
  ...keyChainFor(nextKey, peer.ca, 'b.example'),
  ...keyChainFor(peer.key, nextCa, 'b.example'),
  ...keyChainFor(peer.key, peer.ca, 'x.example'),
  ...keyChainFor(peer.key, peer.ca, 'b.example', now - 24 * 3_600_000),
  crossCertificate(peer.ca, nextCa),
  crossCertificate(stranger.ca, nextCa),
];

type Payload = Readonly<Record<string, unknown>>;

/** A payload with lists of other certificates and keys in it, or with any member broken, or both. */
function hostile(dice: Dice): Payload {
  const drawn = (): string =>
    dice.next(6) === 0 ? brokenText(dice, dice.pick(certificates)) : dice.pick(certificates);
  const said: Record<string, unknown> = { ...payload };
  const form = dice.next(4);
  if (form === 0) said['keyChain'] = dice.list(5, drawn);
  if (form === 1) said['roots'] = dice.list(4, drawn);
  if (form === 2) {
    said['roots'] = [dice.pick([...knownRoots]), peer.ca['root-cert.pem']];
    said['crossCertificates'] = dice.list(4, drawn);
  }
  if (form === 3)
    said['keys'] = dice.list(4, () =>
      trusted(dice.pick([peer.key, nextKey]), dice.pick(['current', 'next', 'retired'])),
    );
  return (dice.next(2) === 0 ? brokenValue(dice, said, memberNames) : said) as Payload;
}

function signed(said: Payload, { privatePem, kid }: SigningKeyPair): string {
  return signByHand(said, privatePem, { kid });
}

async function judged(input: Omit<PublicDocumentInput, 'proven'>): Promise<PublicDocumentVerdict> {
  return readPublicDocument({ ...input, proven: await proveSignatures([input.document.signed ?? ''], []) });
}

async function judgedPrivate(
  input: Omit<Parameters<typeof readPrivateDocument>[0], 'proven'>,
): Promise<PrivateDocumentVerdict> {
  return readPrivateDocument({ ...input, proven: await proveSignatures([input.signed ?? ''], input.facts.keys) });
}

function readable(pem: string): readonly Certificate[] {
  return [
    readOr(
      () => parseCertificate(pem),
      () => true,
    ) ?? [],
  ].flat();
}

/** A refusal is one sentence for a condition, whatever the peer put into its payload. */
function mustBeTold({ message }: { readonly message: string }): void {
  if (message === '' || message.length > 600) throw new Error(`a message of ${message.length} characters`);
}

/** What is remembered of a peer, and read by every part of ours from then on. */
function mustBeBounded({ facts }: Extract<PublicDocumentVerdict, { kind: 'accepted' }>): void {
  const { roots, keys, crls, clusterUUID, trustDomain, clusterDomain, clusterID = '', networkName = '', seq } = facts;
  const names = [clusterUUID, trustDomain, clusterDomain, clusterID, networkName];
  if (!names.every((name) => /^[0-9A-Za-z._-]{1,255}$/.test(name))) throw new Error(names.join(' '));
  if (roots.length === 0 || roots.length > mostRoots || roots.join('').length > mostRootBytes) throw new Error('roots');
  if (!roots.map((pem) => parseCertificate(pem)).every(({ isCA }) => isCA)) throw new Error('no CA among the roots');
  if (keys.length === 0 || keys.length > 8 || !keys.every(({ kid }) => /^[\w-]{1,128}$/.test(kid)))
    throw new Error('keys');
  if (!Number.isSafeInteger(seq) || crls.join('').length > 300_000) throw new Error('not bounded');
}

describe('documents that a hostile peer did sign', () => {
  const input = { ownClusterUUID: ownUUID, trustDomain: 'b.example', verifiedByCa: false, now };
  const outer = peer.document();
  const pinned: readonly NonNullable<PublicDocumentInput['pins']>[] = [
    {},
    { roots: [rootPin(peer.ca)] },
    { keys: [keyPin(peer.key)] },
    { roots: ['sha256:00'] },
  ];
  const othersPinned = { roots: [rootPin(stranger.ca), rootPin(nextCa)] };

  it(
    'at first contact: facts within the rules, vouched for by a chain from that key to those roots and by the pins; or one sentence',
    () =>
      fuzzBothWays(async (dice) => {
        const said = hostile(dice);
        const pins = dice.pick(pinned);
        const document = { ...outer, signed: signed(said, peer.key) };
        const verdict = await judged({ ...input, document, pins });
        if (verdict.kind !== 'accepted') {
          mustBeTold(verdict);
          return false;
        }
        mustBeBounded(verdict);
        // What cannot be read in a chain is passed over.
        const [leaf] = (said['keyChain'] as string[]).flatMap(splitCertificates).flatMap(readable);
        if (leaf === undefined) throw new Error('nothing vouches for the key');
        const { publicKey, uris, notAfter } = leaf;
        if (!publicKey.equals(parseCertificate(chain[0] ?? '').publicKey)) throw new Error('another key is certified');
        if (notAfter < now || !uris.every((uri) => uri.startsWith('spiffe://b.example/'))) throw new Error(uris.join());
        if (pins.roots?.includes('sha256:00') === true) throw new Error('no pin names this root');
        if (pins.roots !== undefined && verdict.facts.roots.join('') !== peer.ca['root-cert.pem'])
          throw new Error('a root that no pin names');
        return true;
      }),
    fuzzLimitMs,
  );

  it(
    'after first contact: a root is taken up only when it is known, pinned, or certified by the known CA; else it waits, told in one sentence',
    async () => {
      const first = await judged({ ...input, document: outer });
      if (first.kind !== 'accepted') throw new Error('the document itself must hold');
      const { publicKey: old } = parseCertificate(peer.ca['root-cert.pem']);
      await fuzzBothWays(async (dice) => {
        const isPinned = dice.next(8) === 0;
        const said = hostile(dice);
        const document = { ...outer, signed: signed(said, dice.next(20) === 0 ? nextKey : peer.key) };
        const pins = isPinned ? othersPinned : {};
        const verdict = await judged({ ...input, document, known: first.facts, pins });
        if (verdict.kind !== 'accepted') {
          mustBeTold(verdict);
          return false;
        }
        mustBeBounded(verdict);
        if (verdict.facts.seq < first.facts.seq) throw new Error(`seq ${verdict.facts.seq}`);
        const bridged = JSON.stringify(said['crossCertificates'] ?? []).includes('CERTIFICATE');
        for (const root of verdict.facts.roots) {
          const byOldCa = parseCertificate(root).x509.verify(old) || (bridged && root === nextCa['root-cert.pem']);
          if (!isPinned && !byOldCa) throw new Error(root);
        }
        return true;
      });
    },
    fuzzLimitMs,
  );

  it(
    'private ones: content for this cluster, of this peer, not older than the last, not expired; or one sentence',
    () => {
      const facts = {
        clusterUUID: peerUUID,
        trustDomain: 'b.example',
        clusterDomain: 'b.example',
        roots: payload.roots,
        keys: [trusted(peer.key)],
        crls: [],
        signed: true,
        seq: 1000,
      };
      const { ver, clusterUUID, seq, iat, exp } = payload;
      const whole = { ver, clusterUUID, aud: ownUUID, seq, iat, exp, ingressGateways: [], publicServices: [] };
      const names = [...Object.keys(whole), '__proto__'];
      return fuzzBothWays(async (dice) => {
        const said = (dice.next(4) === 0 ? whole : brokenValue(dice, whole, names)) as Payload;
        const verdict = await judgedPrivate({
          signed: signed(said, dice.next(10) === 0 ? nextKey : peer.key),
          facts,
          ownClusterUUID: ownUUID,
          lastSeq: dice.pick([0, 1000, 1001]),
          now,
        });
        if (verdict.kind === 'refused') {
          mustBeTold(verdict);
          return false;
        }
        if (verdict.kind === 'legacy') throw new Error('a peer that signs is never read as one that does not');
        if (said['aud'] !== ownUUID || said['clusterUUID'] !== peerUUID || verdict.seq !== said['seq'])
          throw new Error(JSON.stringify(said));
        if (!Number.isFinite(verdict.expiresAt) || verdict.expiresAt < now - 30_000)
          throw new Error(`ends ${verdict.expiresAt}`);
        return true;
      });
    },
    fuzzLimitMs,
  );
});
