import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { parseCertificate } from './certificate.js';
import { bits, childrenOf, fromDer, positiveInteger, sequence, tagged, toDer } from './der.js';
import type { Node } from './der.js';
import { encodePem } from './pem.js';
import { caOf, now } from './peer.fixture.js';
import { readRoots } from './roots.js';
import { signDer } from './signature.js';

const ca = caOf('b.example');

/** The root with other fields, signed again: OpenSSL reads all of these. */
function mangled(change: (fields: readonly Node[]) => readonly Node[]): string {
  const [body, algorithm] = childrenOf(fromDer(parseCertificate(ca['root-cert.pem']).der));
  const changed = sequence(...change(childrenOf(body)));
  const signature = bits(signDer(createPrivateKey(ca['ca-key.pem']), toDer(changed)));
  return encodePem('CERTIFICATE', toDer(sequence(changed, algorithm as Node, signature)));
}

describe('roots that a proxy could not read', () => {
  it('takes the root as it is', () => {
    expect(readRoots([mangled((fields) => fields)], now)).toHaveLength(1);
  });

  it.each<[string, (fields: readonly Node[]) => readonly Node[], RegExp]>([
    ['version 1 with extensions', ([, ...rest]) => rest, /not of version 3/],
    ['unique identifiers', (all) => [...all.slice(0, 7), tagged(1, Buffer.of(0, 1)), ...all.slice(7)], /unique ident/],
    ['an endless serial', ([v, , ...rest]) => [v as Node, positiveInteger(Buffer.alloc(30, 1)), ...rest], /20 bytes/],
  ])('refuses %s, naming the fault', (_what, change, message) => {
    expect(readRoots([mangled(change)], now)).toMatchObject({
      kind: 'refused',
      reason: 'RootInvalid',
      message: expect.stringMatching(message) as unknown,
    });
  });
});
