import { describe, expect, it } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import { decoded } from '../consistency.js';
import { endpoint } from '../model.fixture.js';
import { endpointsFor, loadAssignment, reachableEndpoints } from './endpoints.js';

const near = endpoint({ address: '10.0.0.1', port: 1, servicePort: 80 });
const far = endpoint({ address: '10.0.0.2', port: 1, servicePort: 80, network: 'net-b' });
const gateways = ['192.0.2.1', '192.0.2.2'].map((address) => ({ network: 'net-b', address, port: 15443 }));
const view = { network: 'net-a', requestedNetworks: [], gateways };
const told = (endpoints: ReturnType<typeof reachableEndpoints>): readonly string[] =>
  endpoints.map(({ address, port, weight }) => `${address}:${port} ${weight}`);

describe('reachableEndpoints', () => {
  it('replaces an endpoint of another network by that network’s gateways, its weight shared', () => {
    const third = { network: 'net-c', address: '192.0.2.3', port: 15443 };
    const found = reachableEndpoints([near, far], { ...view, gateways: [...gateways, third] });
    expect(told(found)).toEqual(['10.0.0.1:1 1', '192.0.2.1:15443 1', '192.0.2.2:15443 1']);
  });
  it('drops what a gateway could not pass on', () => {
    expect(told(reachableEndpoints([{ ...far, tlsMode: 'disabled' }], view))).toEqual([]);
  });
  it('goes straight where no gateway is known', () => {
    expect(told(reachableEndpoints([far], { ...view, gateways: [] }))).toEqual(['10.0.0.2:1 1']);
  });
  it('keeps to the networks asked for', () => {
    expect(told(reachableEndpoints([near, far], { ...view, requestedNetworks: ['net-a'] }))).toEqual(['10.0.0.1:1 1']);
  });
});

describe('loadAssignment', () => {
  it('groups by locality in sorted order and keeps an address once, weights added', () => {
    const { endpoints } = create(
      ClusterLoadAssignmentSchema,
      loadAssignment('c', [{ ...near, locality: 'r/z' }, near, near, { ...near, port: 2, weight: 0 }]),
    );
    expect(endpoints.map(({ locality, loadBalancingWeight }) => [locality?.region, loadBalancingWeight])).toEqual([
      [undefined, 3],
      ['r', 1],
    ]);
    expect(endpoints[0]?.lbEndpoints.map(({ loadBalancingWeight }) => loadBalancingWeight)).toEqual([2, 1]);
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
