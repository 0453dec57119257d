import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { meshNetworksWith } from './mesh-networks.js';
import { peerAccountFor } from './peer-account.js';
import { remoteSecretFor } from './remote-secret.js';

const west = { network: 'net-west', clusterID: 'west-1', gateways: [{ address: '192.0.2.2', port: 15443 }] };
const south = { network: 'net-west', clusterID: 'south-1', gateways: [{ address: '192.0.2.1', port: 15443 }] };

describe('meshNetworksWith', () => {
  it('writes clusters of one network together', () => {
    const { text, ours } = meshNetworksWith(undefined, [], [west, south]);
    expect(ours).toEqual(['net-west']);
    expect(parse(text ?? '')).toEqual({
      networks: {
        'net-west': {
          endpoints: [{ fromRegistry: 'south-1' }, { fromRegistry: 'west-1' }],
          gateways: [
            { address: '192.0.2.1', port: 15443 },
            { address: '192.0.2.2', port: 15443 },
          ],
        },
      },
    });
  });

  const theirs = '# by hand\nnetworks:\n  vm: # old machines\n    endpoints:\n      - fromCidr: 10.1.0.0/16\n';
  it('leaves what others wrote, comments too', () => {
    const { text } = meshNetworksWith(theirs, [], [west]);
    expect(text).toContain('# by hand');
    expect(text).toContain('# old machines');
    expect(Object.keys((parse(text ?? '') as { networks: object }).networks)).toEqual(['vm', 'net-west']);
  });
  it('takes back only its own, and gives the old text again', () => {
    const first = meshNetworksWith(theirs, [], [west]);
    expect(parse(meshNetworksWith(first.text, first.ours, []).text ?? '')).toEqual(parse(theirs));
  });
  it('leaves a foreign network of the same name alone', () => {
    const { text, ours } = meshNetworksWith(theirs, [], [{ ...west, network: 'vm' }]);
    expect([ours, parse(text ?? '')]).toEqual([[], parse(theirs)]);
  });

  it('says whose gateway is whose, and of whom none is known or needed', () => {
    const north = { network: 'net-north', clusterID: 'north-1', gateways: [] };
    const flat = { network: 'net-west', clusterID: 'flat-1' };
    const { text, ours, clusters } = meshNetworksWith(undefined, [], [west, flat, south, north]);
    expect(ours).toEqual(['net-west']);
    expect(text).not.toContain('flat-1');
    expect(JSON.stringify(clusters)).toBe(
      JSON.stringify({
        'flat-1': { network: 'net-west' },
        'north-1': { network: 'net-north', gateways: [] },
        'south-1': { network: 'net-west', gateways: south.gateways },
        'west-1': { network: 'net-west', gateways: west.gateways },
      }),
    );
  });
  it('leaves clusters on a foreign network to its owner, but for those that need no gateway', () => {
    const flat = { network: 'vm', clusterID: 'flat-1' };
    const { text, clusters } = meshNetworksWith(theirs, [], [{ ...west, network: 'vm' }, flat]);
    expect([text, clusters]).toEqual([theirs, { 'flat-1': { network: 'vm' } }]);
  });
  // Written again by the YAML library, a map with an anchor changes its form each time.
  it.each([theirs, '&a\nnetworks:\n  vm: {}\n'])('says the same again: nothing to write', (text) => {
    const first = meshNetworksWith(text, [], [west]);
    expect(meshNetworksWith(first.text, first.ours, [west])).toEqual(first);
  });
  it.each(['- a\n- b', '{', 'text', 'networks: [a]', 'a: &a {}\nnetworks: *a', 'networks: {a: *b}'])(
    'refuses %j',
    (text) => {
      expect(() => meshNetworksWith(text, [], [west])).toThrow('ConfigMap istio, key meshNetworks');
    },
  );
});

describe('remoteSecretFor', () => {
  it('is what istioctl create-remote-secret would make', () => {
    const secret = remoteSecretFor({
      name: 'west',
      clusterID: 'west-1',
      server: 'https://isthmus-way-out.isthmus-system.svc/peers/west',
      ca: 'CA',
      credential: 'credential',
      namespace: 'istio-system',
      trustDomain: 'west.example',
    });
    expect(secret.metadata).toMatchObject({
      name: 'istio-remote-secret-west',
      labels: { 'istio/multiCluster': 'true' },
      annotations: { 'networking.istio.io/cluster': 'west-1' },
    });
    const kubeconfig = parse(Buffer.from(secret.data?.['west-1'] ?? '', 'base64').toString()) as object;
    expect(kubeconfig).toMatchObject({
      clusters: [{ cluster: { server: 'https://isthmus-way-out.isthmus-system.svc/peers/west' } }],
      users: [{ user: { token: 'credential' } }],
    });
  });
});

describe('peerAccountFor', () => {
  it('gives the reader role, unless the operator binds rights himself', () => {
    const kinds = (reads: boolean, reviews = false): readonly unknown[] =>
      peerAccountFor('west', 'isthmus-peers', { reads, reviews }).map(
        ({ kind, metadata }) => `${kind} ${metadata?.name}`,
      );
    expect(kinds(true)).toEqual(['ServiceAccount peer-west', 'ClusterRoleBinding isthmus-peer-west']);
    expect(kinds(false)).toEqual(['ServiceAccount peer-west']);
    expect(kinds(true, true)).toContain('ClusterRoleBinding isthmus-peer-west.reviewer');
  });
});
