import { describe, expect, it } from '@jest/globals';
import type { Service } from '#istio-api';
import { MeshNetworks } from './mesh-networks.js';

const text = `
networks:
  net-west:
    endpoints: [{fromRegistry: west}, {fromRegistry: west-2}]
    gateways:
      - {address: 192.0.2.1, port: 15443}
      - {address: gw.west.example, port: 15444}
  net-north:
    endpoints: [{fromCidr: 10.9.0.0/16}]
    gateways: [{address: gw.north.example, port: 15443}]
  net-south:
    endpoints: [{fromRegistry: south}]
    gateways: [{registryServiceName: gateway.istio-system.svc.cluster.local, port: 15443}]
  flat: {endpoints: [{fromRegistry: flat}]}
`;
const gateway: Service = { status: { loadBalancer: { ingress: [{ ip: '198.51.100.9' }, { hostname: 'lb.south' }] } } };
const find = (cluster: string, namespace: string, name: string): Service | undefined =>
  `${cluster}/${namespace}/${name}` === 'south/istio-system/gateway' ? gateway : undefined;

describe('MeshNetworks', () => {
  const networks = MeshNetworks.parse(text);

  it('knows a pod’s network by its cluster, else by its address', () => {
    const found = [
      networks.networkOf('west', '10.9.0.1'),
      networks.networkOf('other', '10.9.0.1'),
      networks.networkOf('other', '10.8.0.1'),
      networks.networkOf('other', 'fd00::1'),
      networks.networkOf('other', 'name.example'),
      networks.networkOf('flat', '10.1.0.1'),
    ];
    expect(found).toEqual(['net-west', 'net-north', undefined, undefined, undefined, 'flat']);
  });

  it('asks for the names of gateways, and has their addresses judged', () => {
    const hosts = ['192.0.2.1', 'gw.west.example', 'gw.north.example', '198.51.100.9', 'lb.south'];
    expect(networks.hosts(find)).toEqual(hosts);
  });

  it('leads to no address that was judged as forbidden, and to no number that is no address', () => {
    const refused = new Map([['192.0.2.1', []]]);
    const told = networks.gateways(find, refused).map(({ network, address }) => `${network} ${address}`);
    expect(told).toEqual(['net-west undefined', 'net-north undefined', 'net-south 198.51.100.9']);
    const gateways = ['192.0.2.1', '127.1', '192.0.2.2'].map((address) => ({ address, port: 15443 }));
    const clusters = MeshNetworks.parse('', JSON.stringify({ west: { network: 'net-west', gateways } }));
    expect(clusters.clusterGateways(refused)[0]?.gateways).toEqual([{ address: '192.0.2.2', port: 15443 }]);
  });

  it('shows a network without any known address as closed, not as open', () => {
    const resolved = new Map([['gw.west.example', ['192.0.2.7', '192.0.2.8']]]);
    const told = networks.gateways(find, resolved).map(({ network, address, port }) => `${network} ${address} ${port}`);
    expect(told).toEqual([
      'net-west 192.0.2.1 15443',
      'net-west 192.0.2.7 15444',
      'net-west 192.0.2.8 15444',
      'net-north undefined 15443',
      'net-south 198.51.100.9 15443',
    ]);
  });

  it('knows whose gateway is whose, and of whom none is known or needed', () => {
    const clusters = MeshNetworks.parse(
      '',
      JSON.stringify({
        west: { network: 'net-west', gateways: [{ address: '192.0.2.1', port: 15443 }] },
        'west-2': { network: 'net-west', gateways: [{ address: 'gw.west.example', port: 15444 }] },
        north: { network: 'net-north', gateways: [] },
        flat: { network: 'net-west' },
      }),
    );
    expect(clusters.hosts(find)).toEqual(['192.0.2.1', 'gw.west.example']);
    const told = (resolved: ReadonlyMap<string, readonly string[]>): unknown =>
      clusters.clusterGateways(resolved).map(({ cluster, network, gateways }) => [cluster, network, gateways]);
    const west = ['west', 'net-west', [{ address: '192.0.2.1', port: 15443 }]];
    const others = [
      ['north', 'net-north', []],
      ['flat', 'net-west', undefined],
    ];
    expect(told(new Map())).toEqual([west, ['west-2', 'net-west', []], ...others]);
    const found = told(new Map([['gw.west.example', ['192.0.2.7']]]));
    expect(found).toEqual([west, ['west-2', 'net-west', [{ address: '192.0.2.7', port: 15444 }]], ...others]);
  });

  it.each([
    ['[]', /clusterGateways is not a map/],
    ['{"a":{"gateways":[]}}', /clusterGateways, cluster a: no network/],
    ['{"a":{"network":"n","gateways":[{"address":"x","port":0}]}}', /cluster a: a gateway has no valid port/],
  ])('refuses clusterGateways %s', (bad, message) => {
    expect(() => MeshNetworks.parse('', bad)).toThrow(message);
  });

  it('reads an empty text as no networks', () => {
    expect(MeshNetworks.parse('').gateways(find, new Map())).toEqual([]);
  });

  it.each([
    ['[]', /key "networks"/],
    ['networks: 5', /key "networks"/],
    ['networks: {a: {gateways: [{address: x}]}}', /network a: a gateway has no valid port/],
    ['networks: {a: {gateways: [{port: 1}]}}', /neither address nor registryServiceName/],
    ['networks: {a: {endpoints: [{fromCidr: 10.0.0.0}]}}', /fromCidr "10.0.0.0"/],
  ])('refuses %s', (bad, message) => {
    expect(() => MeshNetworks.parse(bad)).toThrow(message);
  });
});
