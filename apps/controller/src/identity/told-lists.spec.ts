import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { buildCertificate, buildCrl, generateSigningKey, listsLeaveMs, parseCertificate } from '#trust';
import type { CaFiles } from '#trust';
import { caOf, keyChainFor, now, serial, SigningPeer } from '../../../../libs/trust/src/peer.fixture.js';
import { toldLists } from './told-lists.js';

const hour = 3_600_000;
const root = caOf('a.example');
const key = generateSigningKey();
/** A CA under the root, as operators plug it in. */
const intermediate = ((): CaFiles => {
  const own = caOf('a.example');
  const { publicKey, uris } = parseCertificate(own['ca-cert.pem']);
  const { pem } = buildCertificate(
    {
      subject: { commonName: 'intermediate' },
      publicKey,
      serial: serial(),
      notBefore: now - hour,
      notAfter: now + 1000 * hour,
      isCA: true,
      keyUsage: ['keyCertSign', 'cRLSign'],
      uris,
    },
    { key: createPrivateKey(root['ca-key.pem']), certificate: parseCertificate(root['ca-cert.pem']) },
  );
  return { ...own, 'ca-cert.pem': pem, 'cert-chain.pem': pem, 'root-cert.pem': root['root-cert.pem'] };
})();

function list(of: CaFiles, { nextUpdate = now + hour, revoked = 0 } = {}): string {
  return buildCrl({
    issuer: parseCertificate(of['ca-cert.pem']),
    key: createPrivateKey(of['ca-key.pem']),
    number: 1,
    thisUpdate: now - hour,
    nextUpdate,
    revoked: Array.from({ length: revoked }, () => ({ serial: serial(), at: now - hour })),
  });
}

const roots = [root['root-cert.pem']];
const chain = keyChainFor(key, intermediate, 'a.example');

describe('our revocation lists as peers are told of them', () => {
  it('are one of each CA of the chain, without what is no part of it', () => {
    const own = [list(root), list(intermediate)];
    const told = toldLists({ crls: [list(caOf('other.example')), ...own], roots }, chain, now);
    expect(told.crls).toEqual([...own].sort());
    expect(told.report).toEqual({
      phase: 'told',
      message: `peers are told 2, one of each CA, until ${new Date(now + hour - listsLeaveMs).toISOString()}`,
    });
  });

  it.each<[string, readonly string[], RegExp]>([
    ['one is missing', [list(root)], /no list that is valid now and for another 30 s from the CA "CN=intermediate"/],
    ['one has run out', [list(root), list(intermediate, { nextUpdate: now - 1000 })], /no list that is valid now/],
    [
      'one is about to run out',
      [list(root), list(intermediate, { nextUpdate: now + 30_000 })],
      /another 30 s from the CA/,
    ],
    ['one cannot be read', [list(root), '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'], /crl: list 2/],
    [
      'they are larger than peers take',
      [list(root, { revoked: 6_000 }), list(intermediate)],
      /at most 256 KiB are taken/,
    ],
  ])('are none where %s, which is told', (_what, crls, why) => {
    expect(toldLists({ crls, roots }, chain, now)).toEqual({
      crls: [],
      report: { phase: 'not told', message: expect.stringMatching(why) },
    });
  });

  it('are nothing to tell of where there are none', () => {
    expect(toldLists({ crls: [], roots }, chain, now)).toEqual({ crls: [] });
  });

  it('never make a peer refuse the document, though they are too large as they stand', () => {
    const peer = new SigningPeer('b.example');
    const crls = [list(peer.ca, { revoked: 9_000 })];
    const read = (told: readonly string[]): string => peer.firstVerdict({ crls: told });
    const own = { crls, roots: [peer.ca['root-cert.pem']] };
    expect([read(crls), read(toldLists(own, ['leaf'], now).crls)]).toEqual(['refused', 'accepted']);
  });
});
