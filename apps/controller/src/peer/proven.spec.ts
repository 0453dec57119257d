import { describe, expect, it } from '@jest/globals';
import { encodePublicDocument } from '#protocol';
import { generateSigningKey } from '#trust';
import type { PeerMemory } from '#trust';
import { signByHand } from '../../../../libs/trust/src/jws.fixture.js';
import { now, SigningPeer, trusted } from '../../../../libs/trust/src/peer.fixture.js';
import { provenSignatures } from './proven.js';

const ref = { kind: 'IstioFederation' as const };
const peer = new SigningPeer();
const next = generateSigningKey();
const heard = (body: string) => ({ body, at: now });
const signed = signByHand({ seq: 1 }, next.privatePem);
const privateDocument = heard(JSON.stringify({ ingressGateways: [], publicServices: [], signed }));
const knowing = (...keys: PeerMemory['facts']['keys']): PeerMemory => ({ facts: { keys } }) as unknown as PeerMemory;

describe('signatures of what was heard', () => {
  it('are tried again when another key is known, or another public document is there; else once', async () => {
    const hearing = { privateDocument };
    const before = await provenSignatures(ref, hearing, knowing(trusted(peer.key)));
    expect(before).toEqual(new Map());
    expect(await provenSignatures(ref, hearing, knowing(trusted(peer.key)))).toBe(before);
    expect(await provenSignatures(ref, hearing, knowing(trusted(peer.key), trusted(next)))).toEqual(
      new Map([[signed, next.publicPem]]),
    );
    const document = peer.document({ keys: [trusted(peer.key), trusted(next, 'next')] });
    const publicDocument = heard(encodePublicDocument(document));
    expect(await provenSignatures(ref, { publicDocument, privateDocument }, knowing(trusted(peer.key)))).toEqual(
      new Map([
        [document.signed, peer.key.publicPem],
        [signed, next.publicPem],
      ]),
    );
  });

  it('nothing heard, nothing proven; what cannot be read neither', async () => {
    expect(await provenSignatures(ref, {}, undefined)).toEqual(new Map());
    expect(await provenSignatures(ref, { publicDocument: heard('{'), privateDocument: heard('') }, undefined)).toEqual(
      new Map(),
    );
  });
});
