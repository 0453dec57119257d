import { describe, expect, it } from '@jest/globals';
import { trustSecretData, wayOutSecretData } from '#model';
import { caOf } from '../../../../libs/trust/src/peer.fixture.js';
import { multiclusterContentOf } from '../multicluster/documents.js';
import { heldPeer } from './held.js';
import type { KnownPeer } from './standing.js';

const resource = { kind: 'IstioMulticluster', metadata: { name: 'b' }, spec: {} } as KnownPeer['resource'];
const entry = {
  kind: 'IstioMulticluster' as const,
  name: 'b',
  clusterUUID: 'uuid-b',
  trustDomain: 'b.example',
  clusterDomain: 'b.example',
  roots: [caOf('b.example')['root-cert.pem']],
  keys: [],
  signed: true,
  crls: [],
  scopes: [],
  legacyAPITokens: false,
};
const wayOut = { name: 'b', apiHost: 'api.b', audience: 'uuid-b', ca: 'pem', insecureSkipVerify: false, readers: [] };
const gateways = { total: 1, reachable: 1, summary: '1/1', addresses: [{ address: '192.0.2.1', port: 15443 }] };
const status = { peer: { clusterID: 'b-1', networkName: 'net-b' }, gateways };

function sources(secrets: Readonly<Record<string, Readonly<Record<string, string>>>>): Parameters<typeof heldPeer>[0] {
  return {
    world: {
      secrets: { get: (_namespace?: string, name = '') => secrets[name] && { data: secrets[name] } },
      serviceEntries: { list: () => [] },
      multiclusters: { get: () => ({ status }) },
    },
    config: { mesh: { releaseNamespace: 'release' } },
  } as unknown as Parameters<typeof heldPeer>[0];
}

describe('a multicluster peer whose memory cannot be read', () => {
  const trust = trustSecretData({ version: 1, peers: [entry] });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');

  it('is known by what is in force: trust registry, way out, its status', () => {
    const data = wayOutSecretData({ version: 1, peers: [wayOut], ownAddresses: [] });
    const { memory } = heldPeer(sources({ 'isthmus-trust': trust, 'isthmus-way-out': data }), resource, 0);
    expect(memory?.facts).toMatchObject({ clusterUUID: 'uuid-b', clusterID: 'b-1', tlsCA: 'pem', roots: entry.roots });
    expect(multiclusterContentOf(memory)).toEqual({
      apiHost: 'api.b',
      networkName: 'net-b',
      ingressGateways: [{ address: '192.0.2.1', port: 15443 }],
    });
  });

  it.each([
    ['nowhere', {}],
    ['in a registry that is damaged too', { 'isthmus-trust': { 'trust.json': base64('{') } }],
  ])('is not trusted by itself where it stands %s', (_where, secrets) => {
    expect(heldPeer(sources(secrets), resource, 0)).toMatchObject({ unreadable: true, hosts: [] });
    expect(heldPeer(sources(secrets), resource, 0).memory).toBeUndefined();
  });
});
