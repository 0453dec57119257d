import { describe, expect, it } from '@jest/globals';
import { generateSigningKey, nextSequence, readPrivateDocument } from './index.js';
import type { PeerFacts, PrivateDocumentInput } from './index.js';
import { provenByHand } from './jws.fixture.js';
import { now, ownUUID, peerUUID, signPrivateDocument, SigningPeer, trusted } from './peer.fixture.js';

const peer = new SigningPeer();
const stranger = generateSigningKey();
const content = { ingressGateways: [{ address: '203.0.113.5', port: 15443 }], publicServices: [] };
const facts: PeerFacts = {
  clusterUUID: peerUUID,
  trustDomain: 'b.example',
  clusterDomain: 'b.example',
  roots: [],
  keys: [trusted(peer.key)],
  crls: [],
  signed: true,
  seq: 1,
};

function sign(
  more: { seq?: number; now?: number; audience?: string; clusterUUID?: string } = {},
  signer = peer.key,
): string {
  return signPrivateDocument(
    content,
    { clusterUUID: more.clusterUUID ?? peerUUID, audience: more.audience ?? ownUUID },
    { seq: more.seq ?? 10, now: more.now ?? now, lifetimeSeconds: 3600 },
    signer,
  );
}

describe('private document', () => {
  it.each<[string, Partial<PrivateDocumentInput>, string]>([
    ['signed for us', { signed: sign() }, 'signed'],
    ['the same seq again', { signed: sign(), lastSeq: 10 }, 'signed'],
    [
      'a key announced as next',
      { signed: sign({}, stranger), facts: { ...facts, keys: [trusted(peer.key), trusted(stranger, 'next')] } },
      'signed',
    ],
    ['unsigned from a peer that signs', {}, 'SignatureInvalid'],
    ['unsigned from a legacy peer', { facts: { ...facts, signed: false } }, 'legacy'],
    ['signed, but its public document is not yet', { signed: sign(), facts: { ...facts, signed: false } }, 'legacy'],
    ['rolled back', { signed: sign(), lastSeq: 11 }, 'SignatureInvalid'],
    ['made for another cluster', { signed: sign({ audience: 'cccc' }) }, 'SignatureInvalid'],
    ['signed for another UUID', { signed: sign({ clusterUUID: 'cccc' }) }, 'SignatureInvalid'],
    ['unknown key', { signed: sign({}, stranger) }, 'SignatureInvalid'],
    ['expired', { signed: sign({ now: now - 3_631_000 }) }, 'SignatureInvalid'],
    ['from the future', { signed: sign({ now: now + 31_000 }) }, 'ClockSkew'],
    ['no JWS', { signed: 'x.y' }, 'DocumentInvalid'],
    ['its public document as the private one', { signed: peer.document().signed ?? '' }, 'SignatureInvalid'],
  ])('%s', (_name, more, expected) => {
    const proven = provenByHand([more.signed ?? ''], [peer.key.publicPem, stranger.publicPem]);
    const verdict = readPrivateDocument({ proven, facts, ownClusterUUID: ownUUID, lastSeq: 0, now, ...more });
    expect(verdict.kind === 'refused' ? verdict.reason : verdict.kind).toBe(expected);
    if (verdict.kind === 'signed') expect(verdict.content).toMatchObject(content);
  });

  it.each([
    [0, 5000, 5000],
    [5000, 5000, 5001],
    [9000, 5000, 9001],
  ])('sequence after %d at %d is %d', (last, at, next) => {
    expect(nextSequence(last, at)).toBe(next);
  });
});
