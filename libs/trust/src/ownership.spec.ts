import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { buildCertificate, judgeOwnership } from './index.js';
import type { OwnershipClaim } from './index.js';
import { caOf, now, ownUUID, serial } from './peer.fixture.js';

const roots = Object.fromEntries(['own', 'b', 'c', 'd'].map((name) => [name, caOf(`${name}.example`)]));
const rootOf = (name: string): string => roots[name]?.['root-cert.pem'] ?? '';
const own = { clusterUUID: ownUUID, trustDomain: 'own.example', roots: [rootOf('own')] };

/** The same CA key under a certificate issued anew. */
function reissued(name: string): string {
  const key = createPrivateKey(roots[name]?.['ca-key.pem'] ?? '');
  const order = {
    subject: { commonName: 'again' },
    publicKey: createPublicKey(key),
    serial: serial(),
    notBefore: now,
    notAfter: now + 1e9,
  };
  return buildCertificate({ ...order, isCA: true, keyUsage: ['keyCertSign'] }, { key }).pem;
}

interface Choices {
  readonly uuid?: string;
  readonly domain?: string;
  readonly root?: string;
  readonly since?: number;
  readonly kind?: 'IstioFederation' | 'IstioMulticluster';
  readonly shared?: boolean;
}

function claim(name: string, choices: Choices = {}): OwnershipClaim {
  const trustDomain = choices.domain ?? `${name}.example`;
  return {
    peer: { kind: choices.kind ?? 'IstioFederation', name },
    facts: {
      clusterUUID: choices.uuid ?? `uuid-${name}`,
      trustDomain,
      clusterDomain: trustDomain,
      roots: [choices.root ?? rootOf(name)],
      keys: [],
      crls: [],
      signed: true,
      seq: 1,
    },
    since: choices.since ?? 100,
    sharedTrustDomain: choices.shared ?? false,
  };
}

const multi = { kind: 'IstioMulticluster', shared: true } as const;

describe('ownership', () => {
  it.each<[string, readonly OwnershipClaim[], readonly string[]]>([
    ['nothing shared', [claim('b'), claim('c')], []],
    ['our UUID', [claim('b', { uuid: ownUUID })], ['b UUIDConflict refuses']],
    [
      'one UUID twice: the first keeps it',
      [claim('b', { since: 200 }), claim('c', { uuid: 'uuid-b', since: 100 })],
      ['b UUIDConflict refuses'],
    ],
    [
      'one UUID twice at one moment: the name decides',
      [claim('c', { uuid: 'uuid-b' }), claim('b')],
      ['c UUIDConflict refuses'],
    ],
    [
      'one UUID three times',
      [claim('b', { since: 1 }), claim('c', { uuid: 'uuid-b', since: 2 }), claim('d', { uuid: 'uuid-b', since: 3 })],
      ['c UUIDConflict refuses', 'd UUIDConflict refuses'],
    ],
    ['our trust domain', [claim('b', { domain: 'own.example' })], ['b TrustDomainConflict refuses']],
    [
      'one trust domain, two federation peers',
      [claim('b'), claim('c', { domain: 'b.example' }), claim('d')],
      ['b TrustDomainConflict refuses', 'c TrustDomainConflict refuses'],
    ],
    ['our trust domain shared on purpose', [claim('b', { ...multi, domain: 'own.example' })], ['b TrustShared notice']],
    [
      'two multicluster peers share on purpose',
      [claim('b', multi), claim('c', { ...multi, domain: 'b.example' })],
      ['b TrustShared notice', 'c TrustShared notice'],
    ],
    [
      'multicluster without the word',
      [claim('b', { kind: 'IstioMulticluster', domain: 'own.example' })],
      ['b TrustDomainConflict refuses'],
    ],
    [
      'one of two did not agree',
      [claim('b', multi), claim('c', { kind: 'IstioMulticluster', domain: 'b.example' })],
      ['b TrustDomainConflict refuses', 'c TrustDomainConflict refuses'],
    ],
    ['our root under another trust domain', [claim('b', { root: rootOf('own') })], ['b SharedRoot refuses']],
    [
      'one root under two trust domains',
      [claim('b'), claim('c', { root: rootOf('b') })],
      ['b SharedRoot refuses', 'c SharedRoot refuses'],
    ],
    [
      'one CA key under two certificates',
      [claim('b'), claim('c', { root: reissued('b') })],
      ['b SharedRoot refuses', 'c SharedRoot refuses'],
    ],
    [
      'one root, one shared trust domain',
      [claim('b', { ...multi, domain: 'own.example', root: rootOf('own') })],
      ['b TrustShared notice'],
    ],
  ])('%s', (_name, claims, expected) => {
    const told = (order: readonly OwnershipClaim[]): readonly string[] =>
      judgeOwnership(order, own)
        .map(({ peer, reason, refuses }) => `${peer.name} ${reason} ${refuses ? 'refuses' : 'notice'}`)
        .sort();
    expect(told(claims)).toEqual(expected);
    expect(told([...claims].reverse())).toEqual(expected);
  });
});
