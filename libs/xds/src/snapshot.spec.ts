import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TYPE_URLS } from '#proto';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import { danglingReferences, decoded } from './consistency.js';
import type { MeshModel } from './mesh-model.js';
import {
  clientProxy,
  dbProxy,
  echo,
  echoProxy,
  gatewayProxy,
  headless,
  imported,
  model,
  peerDomain,
  proxy,
} from './model.fixture.js';
import { type Snapshot, SnapshotBuilder, snapshotFor } from './snapshot.js';

const names = (snapshot: Snapshot, type: keyof typeof TYPE_URLS): readonly string[] => [
  ...(snapshot.get(TYPE_URLS[type])?.keys() ?? []),
];

/** Everything of a snapshot as text; equal texts are equal bytes. */
const text = (snapshot: Snapshot): string =>
  [...snapshot]
    .flatMap(([url, byName]) => [...byName.values()].map(({ name, version }) => `${url} ${name} ${version}`))
    .join('\n');

/** Names of the resources that differ, per type word. */
function changes(before: Snapshot, after: Snapshot): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {};
  for (const [word, url] of Object.entries(TYPE_URLS)) {
    const [old, now] = [before.get(url), after.get(url)];
    const all = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].sort();
    const differing = all.filter((name) => old?.get(name)?.version !== now?.get(name)?.version);
    if (differing.length > 0) found[word] = differing;
  }
  return found;
}

const everybody = { clientProxy, echoProxy, dbProxy, gatewayProxy };

describe('snapshotFor', () => {
  it.each(Object.entries(everybody))('%s: refers to nothing that it does not hold', (_name, node) => {
    expect(danglingReferences(snapshotFor(model, node))).toEqual([]);
  });

  it('says so when a reference dangles', () => {
    const whole = snapshotFor(model, clientProxy);
    const broken = new Map(whole).set(TYPE_URLS.secret, new Map());
    expect(danglingReferences(broken)).toContainEqual(expect.stringContaining('"isthmus:trust", which is not served'));
  });

  it('gives a client the names that Istio gives', () => {
    const snapshot = snapshotFor(model, clientProxy);
    expect(names(snapshot, 'listener')).toEqual([
      '0.0.0.0_443',
      '0.0.0.0_7070',
      '0.0.0.0_80',
      '0.0.0.0_8081',
      '10.1.0.7_5432',
      '10.96.0.10_9000',
      '10.96.0.10_9999',
      '240.240.0.1_9000',
      'virtualInbound',
      'virtualOutbound',
    ]);
    expect(names(snapshot, 'route')).toEqual(['7070', '80', '8081', 'echo.demo.svc.cluster.a:9999']);
    expect(names(snapshot, 'cluster')).toContain('outbound|80||shop.store.svc.cluster.b');
    expect(names(snapshot, 'cluster')).not.toContain('outbound|53||echo.demo.svc.cluster.a');
    expect(names(snapshot, 'secret')).toEqual(['isthmus:trust', 'isthmus:trust/']);
    expect(names(snapshot, 'nameTable')).toHaveLength(1);
  });

  it('gives a server its inbound clusters and a route configuration per HTTP port', () => {
    const snapshot = snapshotFor(model, echoProxy);
    const inbound = (type: 'cluster' | 'route'): readonly string[] =>
      names(snapshot, type).filter((name) => name.startsWith('inbound|'));
    expect(inbound('cluster')).toEqual(['inbound|7070||', 'inbound|8080||', 'inbound|9000||', 'inbound|9999||']);
    expect(inbound('route')).toEqual(['inbound|7070||', 'inbound|8080||', 'inbound|9999||']);
  });

  it('serves a proxy without a Pod object from what it says of itself', () => {
    const stranger = proxy('sidecar~10.9.9.9~echo-9.demo~demo.svc.cluster.a', {
      LABELS: { app: 'echo' },
      POD_PORTS: '[{"name":"grpc","containerPort":6060}]',
    });
    expect(names(snapshotFor(model, stranger), 'cluster')).toContain('inbound|6060||');
  });

  it('does not let a headless pod call itself round in circles', () => {
    expect(names(snapshotFor(model, dbProxy), 'listener')).not.toContain('10.1.0.7_5432');
  });

  it('gives a gateway only exported names, each by exact server name', () => {
    const snapshot = snapshotFor(model, gatewayProxy);
    const exported = ['outbound_.7070_._.echo.demo.svc.cluster.a', 'outbound_.80_._.echo.demo.svc.cluster.a'];
    expect(names(snapshot, 'cluster')).toEqual(['BlackHoleCluster', ...exported]);
    expect(names(snapshot, 'endpoints')).toEqual(exported);
    expect(names(snapshot, 'listener')).toEqual(['0.0.0.0_15443']);
    expect(names(snapshot, 'secret')).toEqual([]);
  });

  it('hands a gateway only endpoints of its network that speak mutual TLS', () => {
    const endpoints = echo.endpoints.map((endpoint, index) => ({
      ...endpoint,
      ...(index === 0 ? { tlsMode: 'disabled' as const } : {}),
      ...(index === 4 ? { network: 'net-b' } : {}),
    }));
    // Another cluster's, on a network that both share: to pass it on would be a way round that cluster's own gateway.
    endpoints.push({ ...endpoints[1]!, port: 8080, servicePort: 80, network: 'net-a', cluster: 'west' });
    const snapshot = snapshotFor({ ...model, services: [{ ...echo, endpoints }] }, gatewayProxy);
    const resource = snapshot.get(TYPE_URLS.endpoints)?.get('outbound_.80_._.echo.demo.svc.cluster.a');
    if (resource === undefined) throw new Error('no endpoints');
    expect(decoded(ClusterLoadAssignmentSchema, resource).endpoints).toEqual([]);
  });

  it('is the same, byte by byte, whatever order the model is in', () => {
    const orders = fc.record({
      services: fc.shuffledSubarray([...model.services], { minLength: model.services.length }),
      policies: fc.shuffledSubarray([...model.authorizationPolicies], { minLength: 2 }),
      workloads: fc.shuffledSubarray([...model.workloads], { minLength: model.workloads.length }),
      endpoints: fc.shuffledSubarray([...echo.endpoints], { minLength: echo.endpoints.length }),
      ports: fc.shuffledSubarray([...echo.ports], { minLength: echo.ports.length }),
    });
    const expected = Object.values(everybody).map((node) => text(snapshotFor(model, node)));
    fc.assert(
      fc.property(orders, ({ services, policies, workloads, endpoints, ports }) => {
        const shuffled: MeshModel = {
          ...model,
          services: services.map((each) => (each === echo ? { ...echo, endpoints, ports } : each)),
          authorizationPolicies: policies,
          workloads,
        };
        const found = Object.values(everybody).map((node) => text(snapshotFor(shuffled, node)));
        expect(found).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });
});

describe('SnapshotBuilder', () => {
  it('shares one snapshot among equal proxies and one encoding among different ones', () => {
    const builder = new SnapshotBuilder();
    const twin = proxy('sidecar~10.1.0.44~client-2.demo~demo.svc.cluster.a', { LABELS: { app: 'client' } });
    const client = builder.snapshotFor(model, clientProxy);
    expect(builder.snapshotFor(model, twin)).toBe(client);
    const server = builder.snapshotFor(model, echoProxy);
    const name = 'outbound|80||shop.store.svc.cluster.b';
    expect(server.get(TYPE_URLS.cluster)?.get(name)).toBe(client.get(TYPE_URLS.cluster)?.get(name));
  });

  it('tells proxies of different places apart only where the place counts', () => {
    const builder = new SnapshotBuilder();
    const at = (locality: string, network = 'net-a'): ReturnType<SnapshotBuilder['snapshotFor']> => {
      return builder.snapshotFor(mesh, { ...clientProxy, locality, network });
    };
    const endpoints = (snapshot: ReturnType<typeof at>, name: string) => snapshot.get(TYPE_URLS.endpoints)?.get(name);
    const merged = {
      ...echo,
      remoteClusters: ['west'],
      endpoints: [
        ...echo.endpoints.map((each) => ({ ...each, locality: 'eu/a' })),
        ...echo.endpoints.map((each) => ({ ...each, address: '10.9.0.1', locality: 'us/b', cluster: 'west' })),
      ],
    };
    const mesh = { ...model, services: [merged, imported] };
    const [eu, us] = [at('eu/a'), at('us/b')];
    const [own, other] = [`outbound|80||${echo.hostname}`, `outbound|80||${imported.hostname}`];
    expect(endpoints(eu, own)).not.toBe(endpoints(us, own));
    expect(endpoints(eu, other)).toBe(endpoints(us, other));
    expect(at('eu/a')).toBe(eu);
    const fresh = new SnapshotBuilder().snapshotFor(mesh, { ...clientProxy, locality: 'us/b' });
    expect(endpoints(fresh, own)?.bytes).toEqual(endpoints(us, own)?.bytes);
    const ofModel = { ...clientProxy, locality: '' };
    const workloads = model.workloads.map((each) => ({ ...each, locality: 'us/b' }));
    const known = new SnapshotBuilder().snapshotFor({ ...mesh, workloads }, ofModel);
    expect(endpoints(known, own)?.bytes).toEqual(endpoints(us, own)?.bytes);
  });

  it('encodes nothing again that did not change', () => {
    const builder = new SnapshotBuilder();
    const before = builder.snapshotFor(model, echoProxy);
    const after = builder.snapshotFor({ ...model, services: [...model.services] }, echoProxy);
    for (const [url, byName] of before) {
      for (const [name, resource] of byName) expect(after.get(url)?.get(name)).toBe(resource);
    }
  });
});

describe('what changes', () => {
  const after = (changed: Partial<MeshModel>, node = echoProxy): Readonly<Record<string, readonly string[]>> =>
    changes(snapshotFor(model, node), snapshotFor({ ...model, ...changed }, node));

  it('an endpoint: its endpoints only', () => {
    const fewer = { ...imported, endpoints: imported.endpoints.slice(3) };
    const services = model.services.map((each) => (each === imported ? fewer : each));
    expect(after({ services }, clientProxy)).toEqual({
      endpoints: [80, 7070, 9000].map((port) => `outbound|${port}||${imported.hostname}`).sort(),
    });
  });

  it('a grant on an HTTP port: that port’s routes, never the listener', () => {
    const grants = [
      { trustDomain: peerDomain, allowed: [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: [8080] }] },
    ];
    expect(after({ grants })).toEqual({ route: ['inbound|7070||'] });
  });

  it('a grant on a TCP port: the listener, by that port’s chains', () => {
    const grants = [
      {
        trustDomain: peerDomain,
        allowed: [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: [8080, 'grpc', 9000] }],
      },
    ];
    expect(after({ grants })).toEqual({ listener: ['virtualInbound'], secret: [`isthmus:trust/${peerDomain}`] });
  });

  it('a peer that is no longer trusted: the trust secret, and with its grants the rules', () => {
    expect(after({ trust: { ...model.trust, peers: [] } })).toEqual({ secret: ['isthmus:trust'] });
    expect(after({ grants: [] })).toEqual({ route: ['inbound|7070||', 'inbound|8080||'] });
  });

  it('an HTTP policy: routes; the TCP chains only as far as it says something of connections', () => {
    const [first, second] = model.authorizationPolicies;
    if (first === undefined || second === undefined) throw new Error('the fixture has two policies');
    const otherPaths = { ...first, rules: [{ ...first.rules[0], to: [{ operation: { paths: ['/x'] } }] }] };
    expect(after({ authorizationPolicies: [otherPaths, second] })).toEqual({
      route: ['inbound|7070||', 'inbound|8080||', 'inbound|9999||'],
    });
  });

  it('an export: in the gateway its own chain, cluster and endpoints', () => {
    const serverName = 'outbound_.9000_._.echo.demo.svc.cluster.a';
    const gatewayExports = [{ hostname: echo.hostname, ports: [80, 7070, 9000] }];
    expect(after({ gatewayExports }, gatewayProxy)).toEqual({
      cluster: [serverName],
      endpoints: [serverName],
      listener: ['0.0.0.0_15443'],
    });
  });

  it('a headless endpoint: its listeners and names', () => {
    const moved = { ...headless, endpoints: headless.endpoints.map((each) => ({ ...each, address: '10.1.0.8' })) };
    const services = model.services.map((each) => (each === headless ? moved : each));
    const found = after({ services }, clientProxy);
    expect(found['listener']).toEqual(['10.1.0.7_5432', '10.1.0.8_5432']);
    expect(found['nameTable']).toHaveLength(1);
    expect(found['cluster']).toBeUndefined();
  });
});
