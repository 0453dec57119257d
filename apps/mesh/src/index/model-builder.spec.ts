import { describe, expect, it } from '@jest/globals';
import { parseIstioFederation, type IstioFederation } from '#crd';
import type { DestinationRule, EndpointSlice, Pod, Service, ServiceEntry } from '#istio-api';
import { annotations, emptyTrustRegistry, labels, type TrustedPeer } from '#model';
import { defaultMeshSettings, type MeshCluster } from '#xds';
import { MeshNetworks } from '../registries/mesh-networks.js';
import { ModelBuilder, type ClusterFacts } from './model-builder.js';

const cluster: MeshCluster = {
  clusterID: 'east',
  trustDomain: 'east.example',
  clusterDomain: 'east.example',
  network: 'east-net',
  rootNamespace: 'istio-system',
};

const pod = (name: string, address: string, more: { labels?: Record<string, string>; phase?: string } = {}): Pod => ({
  metadata: { name, namespace: 'demo', labels: { app: 'echo', [labels.tlsMode]: 'istio', ...more.labels } },
  spec: { serviceAccountName: 'echo', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }] },
  status: { phase: more.phase ?? 'Running', podIP: address, conditions: [{ type: 'Ready', status: 'True' }] },
});

const service = (name: string, more: Record<string, string> = {}): Service => ({
  metadata: { name, namespace: 'demo', labels: more, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    clusterIP: '10.96.0.7',
    selector: { app: 'echo' },
    ports: [{ name: 'http', port: 80, targetPort: 'web' }],
  },
});

const slice = (name: string, endpoints: NonNullable<EndpointSlice['endpoints']>): EndpointSlice => ({
  metadata: { name, namespace: 'demo', labels: { 'kubernetes.io/service-name': 'echo' } },
  addressType: 'IPv4',
  endpoints,
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
});

const ofPod = (name: string, address: string): NonNullable<EndpointSlice['endpoints']>[number] => ({
  addresses: [address],
  targetRef: { kind: 'Pod', namespace: 'demo', name },
});

const none: ClusterFacts = {
  services: [],
  endpointSlices: [],
  pods: [],
  localities: new Map(),
  networks: new Map(),
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
};

function builder(): ModelBuilder {
  return new ModelBuilder({ cluster, settings: defaultMeshSettings, publicServiceLabel: 'public' });
}

function build(facts: Partial<ClusterFacts>): ReturnType<ModelBuilder['build']> {
  return builder().build({ ...none, ...facts });
}

describe('services of the cluster', () => {
  it('gives each ready endpoint its pod’s identity, protocol and port', () => {
    const model = build({
      services: [service('echo')],
      endpointSlices: [
        slice('echo-1', [ofPod('echo-a', '10.1.0.1'), { addresses: ['10.1.0.9'], conditions: { ready: false } }]),
        slice('echo-2', [ofPod('echo-a', '10.1.0.1'), { addresses: ['10.1.0.2'], conditions: { ready: true } }]),
      ],
      pods: [pod('echo-a', '10.1.0.1')],
    });
    expect(model.services).toEqual([
      expect.objectContaining({
        hostname: 'echo.demo.svc.east.example',
        addresses: ['10.96.0.7'],
        resolution: 'STATIC',
        ports: [{ name: 'http', number: 80, targetPort: 'web', protocol: 'HTTP' }],
        createdAt: Date.UTC(2026, 0, 1),
        endpoints: [
          {
            address: '10.1.0.1',
            port: 8080,
            servicePort: 80,
            tlsMode: 'istio',
            network: 'east-net',
            locality: '',
            weight: 1,
            identity: 'spiffe://east.example/ns/demo/sa/echo',
            workload: 'echo-a;demo;echo;latest;east',
          },
          expect.objectContaining({ address: '10.1.0.2', tlsMode: 'disabled' }),
        ],
      }),
    ]);
    expect(model.workloads).toEqual([
      expect.objectContaining({
        addresses: ['10.1.0.1'],
        serviceAccount: 'echo',
        ready: true,
        namedPorts: { web: 8080 },
      }),
    ]);
  });

  it.each([
    ['headless', { clusterIP: 'None' }, { headless: true, resolution: 'NONE', addresses: [] }],
    ['dual stack', { clusterIPs: ['10.96.0.7', 'fd00::7'] }, { addresses: ['10.96.0.7', 'fd00::7'] }],
    ['without selector', { selector: {} }, {}],
  ])('%s', (_title, spec, expected) => {
    const plain = service('echo');
    const [found] = build({ services: [{ ...plain, spec: { ...plain.spec, ...spec } }] }).services;
    expect(found).toMatchObject(expected);
    if ('selector' in spec) expect(found).not.toHaveProperty('selector');
  });

  it('leaves ExternalName to DNS, and pods that have ended out', () => {
    const model = build({
      services: [{ ...service('x'), spec: { type: 'ExternalName', externalName: 'example.org' } }],
      pods: [pod('done', '10.1.0.1', { phase: 'Succeeded' })],
    });
    expect([model.services, model.workloads]).toEqual([[], []]);
  });
});

describe('service entries', () => {
  const entry = (
    spec: Partial<NonNullable<ServiceEntry['spec']>>,
    more: ServiceEntry['metadata'] = {},
  ): ServiceEntry => ({
    metadata: { name: 'remote', namespace: 'isthmus-imports', ...more },
    spec: {
      hosts: ['echo.demo.svc.west.example'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ...spec,
    },
    status: { addresses: [{ value: '240.240.0.1', host: 'echo.demo.svc.west.example' }] },
  });
  const endpoints = [{ address: 'gw.west.example', ports: { http: 15443 }, labels: { [labels.tlsMode]: 'istio' } }];
  const peers = { annotations: { [annotations.peers]: 'federation/west' } };

  it('serves addresses of a peer’s gateway, never its name', () => {
    const resolved = new Map([['gw.west.example', ['10.9.0.1', '10.9.0.2']]]);
    const facts = { serviceEntries: [entry({ endpoints, resolution: 'DNS' }, peers)], resolved };
    expect(build(facts).services).toEqual([
      expect.objectContaining({
        resolution: 'STATIC',
        addresses: ['240.240.0.1'],
        throughGateways: true,
        endpoints: [
          expect.objectContaining({ address: '10.9.0.1', port: 15443, servicePort: 80, tlsMode: 'istio', network: '' }),
          expect.objectContaining({ address: '10.9.0.2', port: 15443 }),
        ],
      }),
    ]);
    expect(build({ ...facts, resolved: new Map() }).services[0]?.endpoints).toEqual([]);
  });

  it('takes the address of an import from its status, and from its annotation before that has come; nobody else may say one there', () => {
    const announced = { [annotations.virtualAddress]: '240.240.0.9' };
    const annotated = { annotations: { ...peers.annotations, ...announced } };
    const addresses = (made: ServiceEntry): unknown => build({ serviceEntries: [made] }).services[0]?.addresses;
    const { status, ...young } = entry({ endpoints: [] }, annotated);
    expect(addresses({ ...young, status: status ?? {} })).toEqual(['240.240.0.1']);
    expect(addresses(young)).toEqual(['240.240.0.9']);
    const { status: _none, ...foreign } = entry({ endpoints: [] }, { annotations: announced });
    expect(addresses(foreign)).toEqual([]);
  });

  it('reads whom to expect: prefixes end in a slash, the rest are identities', () => {
    const text = 'spiffe://west.example/ns/demo/,spiffe://south.example/ns/demo/sa/echo';
    const marked = { annotations: { ...peers.annotations, [annotations.sanPrefix]: text } };
    expect(build({ serviceEntries: [entry({ endpoints: [] }, marked)] }).services[0]).toMatchObject({
      sanPrefixes: ['spiffe://west.example/ns/demo/'],
      subjectAltNames: ['spiffe://south.example/ns/demo/sa/echo'],
    });
  });

  it('keeps a user’s DNS entry as DNS; without endpoints its host is the endpoint', () => {
    const [found] = build({
      serviceEntries: [entry({ resolution: 'DNS', location: 'MESH_EXTERNAL', hosts: ['API.example.org'] })],
    }).services;
    expect(found).toMatchObject({
      hostname: 'api.example.org',
      resolution: 'DNS',
      throughGateways: false,
      endpoints: [{ address: 'API.example.org', port: 80, tlsMode: 'disabled' }],
    });
  });

  it('takes pods by workloadSelector from its own namespace', () => {
    const selecting = entry({ workloadSelector: { labels: { app: 'echo' } } }, { namespace: 'demo' });
    const facts = {
      serviceEntries: [selecting],
      pods: [pod('a', '10.1.0.1'), pod('b', '10.1.0.2', { labels: { app: 'x' } })],
    };
    expect(build(facts).services[0]?.endpoints.map(({ address, identity }) => [address, identity])).toEqual([
      ['10.1.0.1', 'spiffe://east.example/ns/demo/sa/echo'],
    ]);
  });
});

describe('policies and rules', () => {
  it.each([
    ['ALLOW', 'ALLOW'],
    ['DENY', 'DENY'],
    [undefined, 'ALLOW'],
    ['CUSTOM', 'DENY'],
    ['AUDIT', 'none'],
  ] as const)('action %s is enforced as %s', (action, enforced) => {
    const object = {
      metadata: { name: 'p', namespace: 'demo' },
      spec: { rules: [{}], ...(action === undefined ? {} : { action }) },
    };
    expect(build({ authorizationPolicies: [object] }).authorizationPolicies.map((each) => each.action)).toEqual(
      enforced === 'none' ? [] : [enforced],
    );
  });

  it.each([
    ['targetRef', { targetRef: { group: '', kind: 'Service', name: 'echo' } }, 0],
    ['targetRefs', { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'way' }] }, 0],
    ['no targetRefs', { targetRefs: [] }, 1],
  ] as const)('leaves a policy with %s to gateways and waypoints', (_which, target, enforced) => {
    const object = { metadata: { name: 'p', namespace: 'demo' }, spec: { rules: [{}], ...target } };
    expect(build({ authorizationPolicies: [object] }).authorizationPolicies).toHaveLength(enforced);
  });

  it('reads PeerAuthentication by mode and port', () => {
    const spec = {
      selector: { matchLabels: {} },
      mtls: { mode: 'UNSET' },
      portLevelMtls: { '8080': { mode: 'DISABLE' } },
    } as const;
    const [found] = build({
      peerAuthentications: [{ metadata: { name: 'p', namespace: 'demo' }, spec }],
    }).peerAuthentications;
    expect(found).toEqual({ name: 'p', namespace: 'demo', createdAt: 0, portModes: { 8080: 'DISABLE' } });
  });

  it('reads a DestinationRule with units, ports and short host', () => {
    const trafficPolicy = {
      connectionPool: { tcp: { connectTimeout: '1m0.5s', maxConnections: 3 }, http: { h2UpgradePolicy: 'UPGRADE' } },
      outlierDetection: { consecutive5xxErrors: 2, interval: '250ms' },
      portLevelSettings: [{ port: { number: 90 }, tls: { mode: 'DISABLE' as const } }],
    };
    const rule = { metadata: { name: 'r', namespace: 'demo' }, spec: { host: 'Echo', trafficPolicy } };
    expect(build({ destinationRules: [rule] }).destinationRules).toEqual([
      expect.objectContaining({
        host: 'echo.demo.svc.east.example',
        trafficPolicy: {
          connectTimeoutMs: 60_500,
          maxConnections: 3,
          upgradeToHttp2: true,
          outlierDetection: { consecutive5xxErrors: 2, intervalMs: 250 },
        },
        portPolicies: { 90: { tls: { mode: 'DISABLE' } } },
      }),
    ]);
    const chosen = { ...rule, spec: { ...rule.spec, workloadSelector: { matchLabels: { app: 'a' } } } };
    expect(build({ destinationRules: [chosen] }).destinationRules).toEqual([]);
  });
});

describe('sharing with peers', () => {
  const peer = (kind: TrustedPeer['kind'], name: string): TrustedPeer => ({
    kind,
    name,
    clusterUUID: `uuid-${name}`,
    trustDomain: `${name}.example`,
    clusterDomain: `${name}.example`,
    roots: [`root of ${name}`],
    keys: [],
    signed: true,
    crls: [],
    scopes: [],
    legacyAPITokens: false,
  });

  function federation(name: string): IstioFederation {
    const parsed = parseIstioFederation({
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioFederation',
      metadata: { name },
      spec: { trustDomain: `${name}.example`, metadataEndpoint: `https://${name}.example/metadata` },
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
    return parsed.value;
  }

  const services = [service('echo', { public: '' }), service('inner')];
  const trusting = { version: 1, peers: [peer('IstioFederation', 'west')] } as const;

  it('opens labelled services to a trusted peer, at its gateway and at its workloads, and nothing else', () => {
    expect(build({ services, federations: [federation('west')], registry: trusting })).toMatchObject({
      trust: { peers: [{ trustDomain: 'west.example', roots: ['root of west'], crls: [] }] },
      grants: [
        {
          trustDomain: 'west.example',
          allowed: [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: ['web'] }],
        },
      ],
      gatewayExports: [{ hostname: 'echo.demo.svc.east.example', ports: [80] }],
    });
  });

  it('grants a peer that is not trusted nothing', () => {
    const model = build({ services, federations: [federation('west')] });
    expect(model.grants).toEqual([{ trustDomain: 'west.example', allowed: [] }]);
    expect([model.gatewayExports, model.trust.peers]).toEqual([[], []]);
  });

  it('opens everything where a multicluster peer is trusted', () => {
    const registry = { version: 1, peers: [peer('IstioMulticluster', 'north')] } as const;
    expect(build({ services, registry })).toMatchObject({
      grants: [{ trustDomain: 'north.example', everything: true, allowed: [] }],
      gatewayExports: [{ hostname: 'echo.demo.svc.east.example' }, { hostname: 'inner.demo.svc.east.example' }],
    });
  });
});

describe('locality of a DestinationRule', () => {
  const rule = (localityLbSetting: object, failover?: string): DestinationRule => ({
    metadata: {
      name: 'echo',
      namespace: 'demo',
      ...(failover === undefined ? {} : { annotations: { [annotations.failover]: failover } }),
    },
    spec: { host: 'echo', trafficPolicy: { loadBalancer: { localityLbSetting } } },
  });
  const distribute = [{ from: 'eu/*', to: { 'eu/a/*': 100 } }];

  it.each([
    ['weights', rule({ distribute }), { distribute }],
    ['switched off', rule({ enabled: false }), { enabled: false }],
    [
      'failover',
      rule({ failover: [{ from: 'eu', to: 'us' }, { from: 5 }], failoverPriority: ['app', 7] }),
      { failover: [{ from: 'eu', to: 'us' }], failoverPriority: ['app'] },
    ],
    [
      'both, by our annotation',
      rule({ distribute }, '[{"from":"eu","to":"us"}]'),
      { distribute, distributeFailover: [{ from: 'eu', to: 'us' }] },
    ],
    ['an annotation that cannot be read', rule({ distribute }, 'us'), { distribute, distributeFailover: [] }],
    ['nonsense', rule({ distribute: 5, failover: {} }), {}],
  ])('%s', (_title, object, expected) => {
    expect(build({ destinationRules: [object] }).destinationRules[0]?.trafficPolicy.locality).toEqual(expected);
  });

  it('shows labels of pods only where a rule asks for them', () => {
    const facts = {
      services: [service('echo')],
      endpointSlices: [slice('echo-1', [ofPod('echo-a', '10.1.0.1')])],
      pods: [pod('echo-a', '10.1.0.1', { labels: { version: 'v1' } })],
    };
    const asked = build({ ...facts, destinationRules: [rule({ failoverPriority: ['version=v1', 'tier'] })] });
    expect(asked.services[0]?.endpoints[0]?.labels).toEqual({ version: 'v1' });
    expect(build(facts).services[0]?.endpoints[0]).not.toHaveProperty('labels');
  });

  it.each([
    ['its node', {}, new Map([['n1', 'eu/a/r1']]), 'eu/a/r1'],
    ['its copied labels', { 'topology.kubernetes.io/region': 'us' }, new Map<string, string>(), 'us'],
    [
      'both, the node knowing more',
      { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'a' },
      new Map([['n1', 'eu/a/r1']]),
      'eu/a/r1',
    ],
    ['what it says itself', { 'istio-locality': 'us.b.r2' }, new Map([['n1', 'eu/a']]), 'us/b/r2'],
  ])('place of a pod: %s', (_title, more, localities, expected) => {
    const plain = pod('echo-a', '10.1.0.1', { labels: more });
    const placed = { ...plain, spec: { containers: [], ...plain.spec, nodeName: 'n1' } };
    expect(build({ pods: [placed], localities }).workloads[0]?.locality).toBe(expected);
  });
});

describe('identity between models', () => {
  it('is kept by all that did not change, and by the model when nothing did', () => {
    const subject = builder();
    const facts: ClusterFacts = {
      ...none,
      services: [service('echo'), service('other')],
      endpointSlices: [slice('echo-1', [ofPod('a', '10.1.0.1')])],
      pods: [pod('a', '10.1.0.1')],
    };
    const first = subject.build(facts);
    // read again, equal content, other objects
    const { meshNetworks, ...plain } = facts;
    expect(subject.build({ ...structuredClone(plain), meshNetworks })).toBe(first);
    const second = subject.build({ ...facts, endpointSlices: [slice('echo-1', [])] });
    expect(second).not.toBe(first);
    expect(second.services[0]).not.toBe(first.services[0]);
    expect(second.services[1]).toBe(first.services[1]);
    expect(second.workloads[0]).toBe(first.workloads[0]);
    expect(second.grants).toBe(first.grants);
  });
});
