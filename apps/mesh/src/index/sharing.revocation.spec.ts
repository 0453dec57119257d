import { describe, expect, it } from '@jest/globals';
import type { TrustedPeer, TrustRegistry } from '#model';
import type { MeshTrust } from '#xds';
import { sharingFrom } from './sharing.js';

const cluster = {
  clusterID: 'east',
  trustDomain: 'east.example',
  clusterDomain: 'east.example',
  network: '',
  rootNamespace: 'istio-system',
};

function peer(name: string, trustDomain: string, crls: readonly string[]): TrustedPeer {
  return {
    ...{ kind: 'IstioMulticluster', name, clusterUUID: name, trustDomain, clusterDomain: 'x', roots: [name] },
    ...{ keys: [], signed: true, crls, scopes: [], legacyAPITokens: false },
  };
}

/** Lists that proxies verify with, by whose entry they stand in. */
function lists(own: readonly string[], peers: readonly TrustedPeer[]): readonly (readonly string[])[] {
  const registry: TrustRegistry = { version: 1, peers };
  const facts = {
    cluster,
    label: 'public',
    services: [],
    crowd: [],
    federations: [],
    registry,
    roots: ['own'],
    crls: own,
  };
  const { trust }: { trust: MeshTrust } = sharingFrom(facts);
  return [trust.crls ?? [], ...trust.peers.map(({ crls }) => crls)];
}

describe('revocation lists of a trust domain', () => {
  const cases: readonly [string, readonly string[], readonly TrustedPeer[], readonly (readonly string[])[]][] = [
    ['ours alone', ['o\n'], [], [['o\n']]],
    ['a peer’s in a domain of its own', [], [peer('west', 'west.example', ['w\n'])], [[], ['w\n']]],
    ['none where a peer shares our domain and only it gave some', [], [peer('b', 'east.example', ['b\n'])], [[], []]],
    ['none where a peer shares our domain and only we have some', ['o\n'], [peer('b', 'east.example', [])], [[], []]],
    [
      'all where each member of our domain gave some',
      ['o\n'],
      [peer('b', 'east.example', ['b\n'])],
      [
        ['b\n', 'o\n'],
        ['b\n', 'o\n'],
      ],
    ],
    [
      'none where one of two peers with one domain gave some; ours stay',
      ['o\n'],
      [peer('b', 'west.example', ['b\n']), peer('c', 'west.example', [])],
      [['o\n'], [], []],
    ],
  ];
  it.each(cases)('are used as a whole: %s', (_which, own, peers, expected) => {
    expect(lists(own, peers)).toEqual(expected);
  });
});
