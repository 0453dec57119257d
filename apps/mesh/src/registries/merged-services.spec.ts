import { describe, expect, it } from '@jest/globals';
import type { Endpoint, EndpointSlice, Pod, Service } from '#istio-api';
import { emptyTrustRegistry, labels, type TrustedPeer } from '#model';
import { defaultMeshSettings, type MeshCluster, type MeshModel } from '#xds';
import { ModelBuilder, type ClusterFacts } from '../index/model-builder.js';
import type { RegistryObjects } from './cluster-informers.js';
import { MeshNetworks } from './mesh-networks.js';
import type { RemoteView } from './remote-clusters.js';
import { virtualAddressOf } from './merged-services.js';

const cluster: MeshCluster = {
  clusterID: 'east',
  trustDomain: 'east.example',
  clusterDomain: 'cluster.local',
  network: 'net-east',
  rootNamespace: 'istio-system',
};

interface Pods {
  readonly namespace?: string;
  readonly clusterIP?: string;
  readonly port?: number;
  readonly addresses?: readonly string[];
  readonly podLabels?: Readonly<Record<string, string>>;
}

/** A cluster with one service, the pods behind it on node `n1`, and what is said of the node and the namespace. */
function objects(name: string, more: Pods = {}, told: Partial<RegistryObjects> = {}): RegistryObjects {
  const { namespace = 'demo', clusterIP = '10.96.0.7', port = 80, addresses = ['10.1.0.1'], podLabels = {} } = more;
  const pods = addresses.map((address, index): Pod => ({
    metadata: { namespace, name: `${name}-${index}`, labels: { app: name, [labels.tlsMode]: 'istio', ...podLabels } },
    spec: { serviceAccountName: name, nodeName: 'n1', containers: [] },
    status: { phase: 'Running', podIP: address },
  }));
  const service: Service = {
    metadata: { namespace, name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { clusterIP, selector: { app: name }, ports: [{ name: 'http', port, targetPort: 8080 }] },
  };
  const slice: EndpointSlice = {
    metadata: { namespace, name: `${name}-x`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: pods.map((pod): Endpoint => ({
      addresses: [pod.status?.podIP ?? ''],
      targetRef: { kind: 'Pod', namespace, name: pod.metadata?.name ?? '' },
    })),
    ports: [{ name: 'http', port: 8080 }],
  };
  return { services: [service], endpointSlices: [slice], pods, localities: new Map(), networks: new Map(), ...told };
}

const withdrawnOf = (...hosts: string[]): RemoteView['withdrawn'] => {
  const set = new Set(hosts);
  return () => set;
};

function view(clusterID: string, found: RegistryObjects, more: Partial<RemoteView> = {}): RemoteView {
  return { clusterID, trustDomain: `${clusterID}.example`, objects: found, withdrawn: withdrawnOf(), ...more };
}

function build(facts: Partial<ClusterFacts>, builder = newBuilder()): MeshModel {
  const nothing = objects('none');
  return builder.build({
    ...nothing,
    services: [],
    endpointSlices: [],
    pods: [],
    remotes: [],
    meshNetworks: MeshNetworks.none,
    serviceEntries: [],
    destinationRules: [],
    peerAuthentications: [],
    authorizationPolicies: [],
    federations: [],
    registry: emptyTrustRegistry,
    roots: [],
    crls: [],
    resolved: new Map(),
    ...facts,
  });
}

function newBuilder(): ModelBuilder {
  const settings = defaultMeshSettings;
  return new ModelBuilder({ cluster, settings, publicServiceLabel: 'public', ownNamespaces: ['isthmus-system'] });
}

const westText =
  'networks: {net-west: {endpoints: [{fromRegistry: west}], gateways: [{address: 192.0.2.1, port: 15443}]}}';
const west = MeshNetworks.parse(westText);
const parsed = (clusterGateways: object): MeshNetworks => MeshNetworks.parse(westText, JSON.stringify(clusterGateways));

describe('one service in several clusters', () => {
  const local = objects('echo', {}, { localities: new Map([['n1', 'eu/a']]) });
  const remote = objects(
    'echo',
    { addresses: ['10.1.0.1', '10.1.0.2'], clusterIP: '10.96.5.5' },
    { localities: new Map([['n1', 'us/b/r1']]) },
  );

  it('is ours with everybody’s endpoints: identity, cluster, network and place of each', () => {
    const { services, networkGateways } = build({ ...local, remotes: [view('west', remote)], meshNetworks: west });
    expect(services).toHaveLength(1);
    expect(services[0]).toMatchObject({
      hostname: 'echo.demo.svc.cluster.local',
      addresses: ['10.96.0.7'],
      selector: { app: 'echo' },
      throughGateways: true,
      remoteClusters: ['west'],
    });
    expect(services[0]?.endpoints[0]).not.toHaveProperty('cluster');
    expect(services[0]?.endpoints).toEqual([
      expect.objectContaining({
        address: '10.1.0.1',
        network: 'net-east',
        locality: 'eu/a',
        identity: 'spiffe://east.example/ns/demo/sa/echo',
      }),
      expect.objectContaining({
        address: '10.1.0.1',
        network: 'net-west',
        locality: 'us/b/r1',
        cluster: 'west',
        identity: 'spiffe://west.example/ns/demo/sa/echo',
        workload: 'echo-0;demo;echo;latest;west',
      }),
      expect.objectContaining({ address: '10.1.0.2', cluster: 'west' }),
    ]);
    expect(networkGateways).toEqual([{ network: 'net-west', address: '192.0.2.1', port: 15443 }]);
  });

  it('has our own trust domain’s identities where the Secret names none', () => {
    const { services } = build({ remotes: [view('west', remote, { trustDomain: undefined })] });
    expect(services[0]?.endpoints[0]?.identity).toBe('spiffe://east.example/ns/demo/sa/echo');
  });

  it('loses a silent cluster’s endpoints when its policy says so, and stays a service', () => {
    const withdrawn = withdrawnOf('echo.demo.svc.cluster.local');
    const { services } = build({ ...local, remotes: [view('west', remote, { withdrawn })] });
    expect(services[0]?.endpoints).toHaveLength(1);
    expect(services[0]?.remoteClusters).toEqual(['west']);
    expect(build({ remotes: [view('west', remote, { withdrawn })] }).services[0]?.endpoints).toEqual([]);
  });

  it('keeps to our ports', () => {
    const { services } = build({ ...local, remotes: [view('west', objects('echo', { port: 81 }))] });
    expect(services[0]?.endpoints.map(({ servicePort }) => servicePort)).toEqual([80]);
  });

  it.each([
    ['flat', MeshNetworks.none, ['10.1.0.1', '10.1.0.9']],
    ['behind gateways', west, ['10.1.0.1']],
    ['of a cluster that needs no gateway', parsed({ west: { network: 'net-west' } }), ['10.1.0.1', '10.1.0.9']],
    ['of a cluster without any gateway now', parsed({ west: { network: 'net-west', gateways: [] } }), ['10.1.0.1']],
  ])('headless, %s: only addresses that can be called', (_title, meshNetworks, expected) => {
    const headless = { clusterIP: 'None' };
    const other = objects('echo', { ...headless, addresses: ['10.1.0.9'] });
    const { services } = build({ ...objects('echo', headless), remotes: [view('west', other)], meshNetworks });
    expect(services[0]).toMatchObject({ headless: true, throughGateways: false });
    expect(services[0]?.endpoints.map(({ address }) => address)).toEqual(expected);
  });

  it.each([
    ['the pod’s label', { podLabels: { 'topology.istio.io/network': 'net-p' } }, new Map([['demo', 'net-n']]), 'net-p'],
    ['its namespace’s label', {}, new Map([['demo', 'net-n']]), 'net-n'],
    ['the root namespace’s label', {}, new Map([['istio-system', 'net-r']]), 'net-r'],
    ['meshNetworks', {}, new Map<string, string>(), 'net-west'],
  ])('network of a pod: %s', (_title, pods, networks, expected) => {
    const found = objects('echo', pods, { networks });
    const { services } = build({ remotes: [view('west', found)], meshNetworks: west });
    expect(services[0]?.endpoints[0]?.network).toBe(expected);
  });
});

describe('a service that only others have', () => {
  const hostname = 'shop.demo.svc.cluster.local';

  it('is called by an address of ours, never by its ClusterIP there, and selects nothing here', () => {
    const local = objects('echo');
    const remote = objects('shop', { clusterIP: '10.96.0.7' });
    const { services } = build({ ...local, remotes: [view('west', remote), view('north', remote)] });
    const [own, shop] = services;
    expect(own?.addresses).toEqual(['10.96.0.7']);
    expect(own).not.toHaveProperty('remoteClusters');
    expect(shop).toMatchObject({ hostname, addresses: [virtualAddressOf(hostname, new Set())] });
    expect(shop).not.toHaveProperty('selector');
    expect(shop?.endpoints.map(({ cluster: id }) => id)).toEqual(['west', 'north']);
  });

  it('has the same address in every replica, and two that meet have two', () => {
    const taken = new Set<string>();
    const first = virtualAddressOf(hostname, taken);
    expect(first).toMatch(/^241\.\d+\.\d+\.\d+$/);
    expect(virtualAddressOf(hostname, new Set())).toBe(first);
    expect(virtualAddressOf(hostname, taken)).not.toBe(first);
  });

  it.each([
    ['kube-system', 'dns'],
    ['default', 'kubernetes'],
    ['istio-system', 'istiod'],
    ['isthmus-system', 'isthmus-metadata-api'],
  ])('is each cluster’s own: %s/%s', (namespace, name) => {
    const remote = objects(name, { namespace });
    expect(build({ remotes: [view('west', remote)] }).services).toEqual([]);
    expect(build({ ...remote, remotes: [view('west', remote)] }).services[0]).not.toHaveProperty('remoteClusters');
  });

  it('leaves a name alone that is an ExternalName here', () => {
    const external: Service = { metadata: { namespace: 'demo', name: 'shop' }, spec: { type: 'ExternalName' } };
    expect(build({ services: [external], remotes: [view('west', objects('shop'))] }).services).toEqual([]);
  });
});

describe('from model to model', () => {
  it('keeps what did not change, with other clusters too', () => {
    const builder = newBuilder();
    const local = objects('echo');
    const remotes = [view('west', objects('echo')), view('north', objects('shop'))];
    const first = build({ ...local, remotes, meshNetworks: west }, builder);
    expect(build({ ...local, remotes: [...remotes], meshNetworks: west }, builder)).toBe(first);
    const grown = [view('west', objects('echo', { addresses: ['10.1.0.1', '10.1.0.3'] })), ...remotes.slice(1)];
    const second = build({ ...local, remotes: grown, meshNetworks: west }, builder);
    expect(second.services[0]).not.toBe(first.services[0]);
    expect(second.services[1]).toBe(first.services[1]);
    const without = build({ ...local, remotes: remotes.slice(1), meshNetworks: west }, builder);
    expect(without.services[0]).not.toHaveProperty('remoteClusters');
    const told = build(
      { ...local, remotes: remotes.slice(1), meshNetworks: parsed({ west: { network: 'n' } }) },
      builder,
    );
    expect(told.clusterGateways).toEqual([{ cluster: 'west', network: 'n' }]);
  });
});

describe('what peers may reach', () => {
  const peer = (kind: TrustedPeer['kind'], trustDomain: string): TrustedPeer => ({
    kind,
    name: trustDomain,
    clusterUUID: trustDomain,
    trustDomain,
    clusterDomain: 'cluster.local',
    roots: [],
    keys: [],
    signed: true,
    crls: [],
    scopes: kind === 'IstioMulticluster' ? ['private-multicluster', 'api'] : ['private-federation'],
    legacyAPITokens: false,
  });

  it('is every service once a multicluster peer is trusted; a federation peer still reaches only what it is given', () => {
    const peers = [peer('IstioMulticluster', 'west.example'), peer('IstioFederation', 'far.example')];
    const { grants, gatewayExports } = build({ ...objects('echo'), registry: { version: 1, peers } });
    expect(grants).toEqual([
      { trustDomain: 'far.example', allowed: [] },
      { trustDomain: 'west.example', everything: true, allowed: [] },
    ]);
    expect(gatewayExports).toEqual([{ hostname: 'echo.demo.svc.cluster.local', ports: [80] }]);
  });
});
