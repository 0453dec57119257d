import { describe, expect, it } from '@jest/globals';
import { generateSigningKey, proveSignatures } from './index.js';
import { signByHand } from './jws.fixture.js';
import { SigningPeer } from './peer.fixture.js';

const peer = new SigningPeer();
const stranger = generateSigningKey();
const named = peer.document().signed ?? '';
const unnamed = signByHand({ seq: 1 }, stranger.privatePem);
const [head = '', body = '', signature = ''] = named.split('.');
const forged = `${head}.${Buffer.from(JSON.stringify({ seq: 2 })).toString('base64url')}.${signature}`;

describe('who made a signature', () => {
  it.each<[string, readonly string[], readonly string[], readonly [string, string][]]>([
    ['a key that the text names itself', [named], [], [[named, peer.key.publicPem]]],
    ['a key that is known', [unnamed], [stranger.publicPem], [[unnamed, stranger.publicPem]]],
    ['nobody that is known or named', [unnamed], [peer.key.publicPem], []],
    [
      'a key that another of the texts names',
      [named, signByHand({}, peer.key.privatePem)],
      [],
      [
        [named, peer.key.publicPem],
        [signByHand({}, peer.key.privatePem), peer.key.publicPem],
      ],
    ],
    ['a payload changed under the signature', [forged], [peer.key.publicPem], []],
    ['a key that cannot be read', [unnamed], ['-----BEGIN PUBLIC KEY-----'], []],
    ['no JWS', ['x', '', `${head}.${body}.`], [peer.key.publicPem], []],
  ])('%s', async (_name, texts, pems, expected) => {
    const proven = await proveSignatures(
      texts,
      pems.map((pem) => ({ pem })),
    );
    expect(proven).toEqual(new Map(expected));
  });
});
