import { describe, expect, it } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import { decoded } from '../consistency.js';
import type { ClusterGateways, MeshEndpoint } from '../mesh-model.js';
import { endpoint } from '../model.fixture.js';
import { endpointsFor, loadAssignment, reachableEndpoints } from './endpoints.js';

const near = endpoint({ address: '10.0.0.1', port: 1, servicePort: 80 });
const far = endpoint({ address: '10.0.0.2', port: 1, servicePort: 80, network: 'net-b' });
const gateways = ['192.0.2.1', '192.0.2.2'].map((address) => ({ network: 'net-b', address, port: 15443 }));
const view = { network: 'net-a', requestedNetworks: [], networkGateways: gateways, clusterGateways: [] };
const told = (endpoints: ReturnType<typeof reachableEndpoints>): readonly string[] =>
  endpoints.map(({ address, port, weight }) => `${address}:${port} ${weight}`);

describe('reachableEndpoints', () => {
  it('replaces an endpoint of another network by that network’s gateways, its weight shared', () => {
    const third = { network: 'net-c', address: '192.0.2.3', port: 15443 };
    const found = reachableEndpoints([near, far], { ...view, networkGateways: [...gateways, third] });
    expect(told(found)).toEqual(['10.0.0.1:1 2', '192.0.2.1:15443 1', '192.0.2.2:15443 1']);
  });
  it('loads a network by its endpoints, not by its gateways', () => {
    const third = endpoint({ address: '10.0.0.3', port: 1, servicePort: 80, network: 'net-c' });
    const gatewaysOfC = [1, 2, 3].map((last) => ({ network: 'net-c', address: `198.51.100.${last}`, port: 15443 }));
    const found = reachableEndpoints([near, far, far, third], {
      ...view,
      networkGateways: [...gateways, ...gatewaysOfC],
    });
    const load = (start: string): number =>
      found.filter(({ address }) => address.startsWith(start)).reduce((sum, { weight }) => sum + weight, 0);
    expect([load('10.'), load('192.'), load('198.')]).toEqual([6, 12, 6]);
  });
  it('never goes straight to a network whose gateway is not resolved yet', () => {
    const unresolved = [{ network: 'net-b', port: 15443 }];
    expect(told(reachableEndpoints([near, far], { ...view, networkGateways: unresolved }))).toEqual(['10.0.0.1:1 1']);
  });
  it('tells the cluster, not one pod, of what is behind a gateway', () => {
    const [found] = reachableEndpoints([{ ...far, cluster: 'west', workload: 'a;b;c;d;west' }], view);
    expect(found?.workload).toBe(';;;;west');
  });
  it('drops what a gateway could not pass on', () => {
    expect(told(reachableEndpoints([{ ...far, tlsMode: 'disabled' }], view))).toEqual([]);
  });
  it('goes straight where no gateway is known', () => {
    expect(told(reachableEndpoints([far], { ...view, networkGateways: [] }))).toEqual(['10.0.0.2:1 1']);
  });

  const own = ['192.0.2.11', '192.0.2.12'].map((address) => ({ address, port: 15443 }));
  const ofWest = { cluster: 'west', network: 'net-b', gateways: own };
  const pods = (cluster: string, count: number, over: Partial<MeshEndpoint> = {}): readonly MeshEndpoint[] =>
    Array.from({ length: count }, (_, index) => ({ ...far, address: `10.0.1.${index}`, cluster, ...over }));
  const through = (endpoints: readonly MeshEndpoint[], ...clusterGateways: readonly ClusterGateways[]) =>
    told(reachableEndpoints(endpoints, { ...view, clusterGateways }));

  it('loads two clusters of one network by their pods, each through its own gateways', () => {
    const ofEast = { cluster: 'east', network: 'net-b', gateways: [{ address: '192.0.2.13', port: 15443 }] };
    const found = through([...pods('east', 1), ...pods('west', 3)], ofEast, ofWest);
    const weights = Map.groupBy(found, (line) => line.split(':')[0]);
    expect([...weights].map(([address, lines]) => [address, lines.map((line) => line.split(' ')[1])])).toEqual([
      ['192.0.2.13', ['2']],
      ['192.0.2.11', ['1', '1', '1']],
      ['192.0.2.12', ['1', '1', '1']],
    ]);
  });
  it('places each cluster’s gateways where its pods are', () => {
    const ofEast = { cluster: 'east', network: 'net-b', gateways: [{ address: '192.0.2.13', port: 15443 }] };
    const endpoints = [...pods('east', 1, { locality: 'r/a' }), ...pods('west', 1, { locality: 'r/b' })];
    const found = reachableEndpoints(endpoints, { ...view, clusterGateways: [ofEast, ofWest] });
    expect(found.map(({ address, locality }) => [address, locality])).toEqual([
      ['192.0.2.13', 'r/a'],
      ['192.0.2.11', 'r/b'],
      ['192.0.2.12', 'r/b'],
    ]);
  });
  it.each([
    ['of a cluster whose gateways are not known', { cluster: 'north' }, ['192.0.2.1:15443 1', '192.0.2.2:15443 1']],
    ['of our own cluster', { cluster: undefined }, ['192.0.2.1:15443 1', '192.0.2.2:15443 1']],
    ['of another network than its cluster’s', { network: 'net-c' }, ['10.0.1.0:1 1']],
    ['of no network: on its cluster’s', { network: '' }, ['192.0.2.11:15443 1', '192.0.2.12:15443 1']],
    ['of the caller’s own network', { network: 'net-a' }, ['10.0.1.0:1 1']],
    ['without mutual TLS', { tlsMode: 'disabled' as const }, []],
  ])('an endpoint %s', (_title, over, expected) => {
    const scaled = through(pods('west', 1, over as Partial<MeshEndpoint>), ofWest);
    expect(scaled).toEqual(expected);
  });
  it('never asks another cluster’s gateways for a cluster that has lost its own, and goes straight to one that needs none', () => {
    expect(through(pods('west', 2), { ...ofWest, gateways: [] })).toEqual([]);
    expect(through(pods('west', 1), { cluster: 'west', network: 'net-b' })).toEqual(['10.0.1.0:1 1']);
  });
  it('keeps to the networks asked for', () => {
    expect(told(reachableEndpoints([near, far], { ...view, requestedNetworks: ['net-a'] }))).toEqual(['10.0.0.1:1 1']);
  });
});

describe('loadAssignment', () => {
  it('groups by locality in sorted order and keeps an address once, weights added: Envoy would drop all but one', () => {
    const elsewhere = { ...near, address: '10.0.0.9', locality: 'r/z' };
    const { endpoints } = create(
      ClusterLoadAssignmentSchema,
      loadAssignment('c', [elsewhere, { ...near, locality: 'r/z' }, near, near, { ...near, port: 2, weight: 0 }]),
    );
    expect(endpoints.map(({ locality, loadBalancingWeight }) => [locality?.region, loadBalancingWeight])).toEqual([
      [undefined, 4],
      ['r', 1],
    ]);
    expect(endpoints[0]?.lbEndpoints.map(({ loadBalancingWeight }) => loadBalancingWeight)).toEqual([3, 1]);
  });
  it('marks who speaks mutual TLS', () => {
    const { endpoints } = create(
      ClusterLoadAssignmentSchema,
      loadAssignment('c', [near, { ...near, port: 2, tlsMode: 'disabled' }]),
    );
    expect(endpoints[0]?.lbEndpoints.map(({ metadata }) => metadata?.filterMetadata)).toEqual([
      { 'envoy.transport_socket_match': { tlsMode: 'istio' } },
      {},
    ]);
  });
});

describe('endpointsFor', () => {
  it('leaves out host names, which Envoy refuses here', () => {
    const resource = endpointsFor('c', [{ ...near, address: 'gateway.example' }]);
    expect(decoded(ClusterLoadAssignmentSchema, resource).endpoints).toEqual([]);
  });
});
