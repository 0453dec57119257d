import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConfigMap, Secret } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { annotations, labels, names } from '#model';
import { remoteSecretFor } from '#planner';
import { clusterz } from '../../apps/mesh/src/monitoring/debug-pages.js';
import type { ClusterReport } from '../../apps/mesh/src/registries/status-writer.js';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { freePort, hookTimeoutMs, waitFor } from '../harness/child.js';
import { inRounds, leastOf } from '../harness/rounds.js';
import { requestCertificate, workloadSecret } from './mesh/certificate.js';
import { createAll, createPod, namespace, service, serviceAccount, slice, tokenOf } from './mesh/cluster-objects.js';
import type { PodFacts } from './mesh/cluster-objects.js';
import { startReplica, type Replica } from './mesh/mesh-under-test.js';
import { PathProxy } from './mesh/path-proxy.js';
import { startProxy, type Proxy } from './mesh/proxy.js';
import { toldEndpoints, type Told } from './mesh/told-endpoints.js';
import { AdsServer } from './xds/ads-server.js';

const root = 'istio-system';
const pod = (name: string, address: string): PodFacts => ({
  namespace: 'demo',
  name,
  address,
  labels: { app: 'echo' },
});
const here = pod('echo-here', '10.20.0.1');
/** Some have the addresses of pods of ours: networks of their own. */
const there = [pod('echo-1', '10.20.0.1'), pod('echo-2', '10.20.0.2'), pod('echo-3', '10.20.0.3')];
const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
const echo = service({ namespace: 'demo', name: 'echo', ports, selector: { app: 'echo' } });
const shop = service({ namespace: 'demo', name: 'shop', ports, selector: { app: 'echo' } });
const host = 'echo.demo.svc.cluster.local';
const cluster = `outbound|80||${host}`;
const flags = ['--network', 'net-east'];
/** A start waits a second for the first answer of other clusters, and three for all of those that gave one. */
const atOnceMs = 4_000;

function node(region: string, zone: string): ApiObject {
  const place = { 'topology.kubernetes.io/region': region, 'topology.kubernetes.io/zone': zone };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', labels: place } };
}

const gatewaysAt = (addresses: readonly string[]): object => addresses.map((address) => ({ address, port: 15443 }));
/** The gateways of one network; and, as our controller says it, whose each is. */
const meshNetworks = (gateways: readonly string[], whose: Readonly<Record<string, readonly string[]>> = {}) => {
  const clusters = Object.entries(whose);
  const fromRegistries = ['west', 'south'].map((fromRegistry) => ({ fromRegistry }));
  const networks = { 'net-west': { endpoints: fromRegistries, gateways: gatewaysAt(gateways) } };
  const own = clusters.map(([id, list]) => [id, { network: 'net-west', gateways: gatewaysAt(list) }]);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: root, name: names.meshConfigMap },
    data: {
      meshNetworks: JSON.stringify({ networks }),
      [names.clusterGatewaysKey]: JSON.stringify(Object.fromEntries(own)),
    },
  } satisfies ConfigMap;
};

describe('mesh core that reads another cluster', () => {
  let east: ApiServer;
  let west: ApiServer;
  let proxy: PathProxy;
  let replica: Replica;
  let envoy: Proxy;
  let sds: AdsServer;
  /** Endpoints of the service in other clusters, model after model. */
  const foreign: number[] = [];

  beforeAll(async () => {
    [east, west] = await Promise.all([startApiServer(), startApiServer()]);
    await createAll(east.client, [namespace(root), namespace('demo'), serviceAccount('demo', 'echo-here'), echo]);
    await createAll(east.client, [node('eu', 'a')]);
    await createPod(east.client, here);
    await createAll(east.client, [slice(echo, 8080, [here])]);
    await createAll(west.client, [namespace('demo'), node('us', 'b'), echo, shop]);
    for (const each of there) await createPod(west.client, each);
    await createAll(west.client, [slice(echo, 8080, there.slice(0, 2)), slice(shop, 8080, there.slice(0, 1))]);
    proxy = await PathProxy.start('/peers/west', west);
  }, hookTimeoutMs);

  afterAll(async () => {
    await envoy?.stop();
    sds?.stop();
    await replica?.stop();
    proxy?.stop();
    await Promise.all([east?.stop(), west?.stop()]);
  }, 60_000);

  /** The Secret as the controller writes it. */
  function remoteSecret(
    clusterID: string,
    more: { server?: string; stalePolicy?: string; token?: string; ca?: string } = {},
  ): Secret {
    return remoteSecretFor({
      name: clusterID,
      namespace: root,
      clusterID,
      server: more.server ?? proxy.url,
      ca: more.ca ?? proxy.ca,
      credential: more.token ?? adminToken(west),
      trustDomain: 'west.example',
      ...(more.stalePolicy === undefined ? {} : { stalePolicy: more.stalePolicy }),
    });
  }

  const adminToken = (of: ApiServer): string =>
    /"token":"([^"]+)"/.exec(readFileSync(of.kubeconfig, 'utf8'))?.[1] ?? '';

  async function put(object: ApiObject): Promise<void> {
    await east.client.apply(object, { fieldManager: 'test' });
  }

  const told = (name = cluster): Promise<readonly Told[]> => toldEndpoints(envoy, name);

  const expectTold = (expected: readonly Told[], name = cluster): Promise<unknown> =>
    waitFor(
      JSON.stringify(expected),
      async () => {
        const found = await told(name);
        if (JSON.stringify(found) === JSON.stringify(expected)) return true;
        throw new Error(`told ${JSON.stringify(found)}`);
      },
      { timeoutMs: 30_000 },
    );

  const state = (clusterID: string) => replica.mesh.index.remotes.states.find((each) => each.clusterID === clusterID);

  const trouble = (clusterID: string, pattern: RegExp, timeoutMs = 60_000): Promise<unknown> =>
    waitFor(
      `trouble with ${clusterID}`,
      () => {
        const { error } = state(clusterID) ?? {};
        if (error !== undefined && pattern.test(error)) return true;
        throw new Error(error ?? 'none');
      },
      { timeoutMs },
    );
  const isWell = (clusterID: string): Promise<unknown> =>
    waitFor(
      `${clusterID} read`,
      () => {
        const found = state(clusterID);
        if (found?.synced === true && found.error === undefined) return true;
        throw new Error(JSON.stringify(found));
      },
      { timeoutMs: 60_000 },
    );

  const ours: Told = { priority: 0, zone: 'a', weight: 1, endpoints: ['10.20.0.1:8080'] };

  it('serves our own endpoints at once while a cluster that it should read is dead', async () => {
    await put(remoteSecret('west', { server: `https://127.0.0.1:${await freePort()}/peers/west` }));
    const took = await leastOf(3, atOnceMs, async () => {
      await replica?.stop();
      const before = Date.now();
      replica = await startReplica(east, flags);
      return Date.now() - before;
    });
    expect(took).toBeLessThan(atOnceMs);
    replica.mesh.index.onModel(({ model }) => {
      const found = model.services.find(({ hostname }) => hostname === host);
      foreign.push((found?.endpoints ?? []).filter(({ cluster: id }) => id === 'west').length);
    });
    await startEnvoy();
    await expectTold([ours]);
    await trouble('west', /does not answer/);
    const [, page] = clusterz(replica.mesh.index.current, replica.mesh.index.remotes.states);
    expect(page).toMatchObject({ id: 'west', secretName: `${root}/istio-remote-secret-west`, syncStatus: 'timeout' });
  }, 240_000);

  async function startEnvoy(): Promise<void> {
    const bearer = await tokenOf(east.client, { namespace: 'demo', name: 'echo-here' });
    const ca = await waitFor('roots', async () => {
      const path = pathFor(resources.configMaps, { namespace: 'demo', name: 'istio-ca-root-cert' });
      return (await east.client.get<ConfigMap>(path))?.data?.['root-cert.pem'];
    });
    sds = new AdsServer();
    const sdsPort = await sds.start();
    sds.serve([], [workloadSecret(await requestCertificate({ port: replica.port, ca, token: bearer }))]);
    envoy = await startProxy({
      nodeId: `sidecar~10.20.0.1~echo-here.demo~demo.svc.cluster.local`,
      metadata: { NAMESPACE: 'demo', SERVICE_ACCOUNT: 'echo-here', NETWORK: 'net-east' },
      protocol: 'DELTA_GRPC',
      xdsPort: replica.port,
      ca,
      token: bearer,
      sdsPort,
    });
    await envoy.serving();
  }

  it('reads it through a path once it is there: straight, in the next priority, as long as no gateway is named', async () => {
    await put(remoteSecret('west'));
    const straight = { priority: 1, zone: 'b', weight: 1, endpoints: ['10.20.0.2:8080'] };
    // An address that both have is ours: Envoy takes each once.
    await waitFor('endpoints', async () => ((await told()).length === 2 ? true : undefined));
    expect((await told())[1]).toEqual(straight);
    expect(state('west')).toMatchObject({ synced: true });
  }, 90_000);

  it('reaches another network through its gateways, with the weight of all that is behind them', async () => {
    await put(meshNetworks(['192.0.2.1', '192.0.2.2']));
    const gateways = ['192.0.2.1:15443', '192.0.2.2:15443'];
    await expectTold([
      { ...ours, weight: 2 },
      { priority: 1, zone: 'b', weight: 4, endpoints: gateways },
    ]);
    await createAll(west.client, [slice(echo, 8080, there)]);
    await expectTold([
      { ...ours, weight: 2 },
      { priority: 1, zone: 'b', weight: 6, endpoints: gateways },
    ]);
  }, 90_000);

  it('expects the identities of both clusters, and calls what only the other one has', async () => {
    const { model } = replica.mesh.index.current ?? {};
    const identities = model?.services
      .find(({ hostname }) => hostname === host)
      ?.endpoints.map(({ identity }) => identity);
    expect(new Set(identities)).toEqual(
      new Set([
        'spiffe://test.example/ns/demo/sa/echo-here',
        ...there.map(({ name }) => `spiffe://west.example/ns/demo/sa/${name}`),
      ]),
    );
    const found = model?.services.find(({ hostname }) => hostname === 'shop.demo.svc.cluster.local');
    expect(found?.addresses).toEqual([expect.stringMatching(/^241\./)]);
    await waitFor('shop', async () =>
      (await envoy.admin('/clusters')).includes('outbound|80||shop.demo.svc.cluster.local::192.0.2.1:15443')
        ? true
        : undefined,
    );
    const kubernetes = model?.services.find(({ name }) => name === 'kubernetes');
    expect(kubernetes).not.toHaveProperty('remoteClusters');
  }, 90_000);

  /** What the replica tells the controller of the other cluster. */
  async function reportOfWest(): Promise<ClusterReport | undefined> {
    const path = pathFor(resources.configMaps, { namespace: root, name: names.remoteClustersConfigMap });
    const text = (await east.client.get<ConfigMap>(path))?.data?.['mesh'] ?? '{}';
    return (JSON.parse(text) as { clusters?: Record<string, ClusterReport> }).clusters?.['west'];
  }

  it('tells the controller', async () => {
    const report = await waitFor('report', async () => {
      const found = await reportOfWest();
      return found?.synced === true && found.endpoints === 4 ? found : undefined;
    });
    expect(report).toMatchObject({ services: expect.any(Number), lastContact: expect.any(Number) });
    expect(report).not.toHaveProperty('error');
  }, 90_000);

  it('reads nothing anew when its Secret changes in labels only', async () => {
    const lists = proxy.lists;
    const secret = remoteSecret('west');
    await put({ ...secret, metadata: { ...secret.metadata, labels: { ...secret.metadata?.labels, more: 'x' } } });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(proxy.lists).toBe(lists);
  }, 90_000);

  const all = there.length;
  /** The fewest endpoints of the other cluster in any model since then. */
  const fewestSince = (start: number): number => Math.min(all, ...foreign.slice(start));

  it.each([
    ['it is frozen', () => west.freeze(), () => west.thaw()],
    ['it is killed', () => west.kill(), () => west.restart()],
    ['nobody answers on the way', () => proxy.become('silent'), () => proxy.become('pass')],
    ['the way does not know it', () => proxy.become('unknown'), () => proxy.become('pass')],
    ['a web page answers', () => proxy.become('html'), () => proxy.become('pass')],
    ['reading it anew is cut short again and again', () => proxy.become('relist-cut'), () => proxy.become('pass')],
  ] satisfies [string, () => Promise<void> | void, () => Promise<void> | void][])(
    'keeps all endpoints while %s, and says so',
    async (_title, spoil: () => Promise<void> | void, mend: () => Promise<void> | void) => {
      const start = foreign.length;
      await spoil();
      try {
        await trouble('west', /./);
        // Longer than it takes to believe that a resource is not installed.
        await new Promise((resolve) => setTimeout(resolve, 7_000));
        expect(state('west')?.synced).toBe(true);
      } finally {
        await mend();
      }
      await isWell('west');
      expect(fewestSince(start)).toBe(all);
      expect((await told())[1]?.weight).toBe(2 * all);
    },
    180_000,
  );

  it('takes what went meanwhile away only with the whole new state', async () => {
    const start = foreign.length;
    proxy.become('relist-cut');
    await trouble('west', /./);
    await createAll(west.client, [slice(echo, 8080, there.slice(0, 1))]);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(fewestSince(start)).toBe(all);
    proxy.become('pass');
    await waitFor('one left', () => (foreign.at(-1) === 1 ? true : undefined));
    expect(foreign.slice(start).filter((count) => count !== all && count !== 1)).toEqual([]);
    await createAll(west.client, [slice(echo, 8080, there)]);
    await waitFor('all back', () => (foreign.at(-1) === all ? true : undefined));
  }, 180_000);

  it('withdraws endpoints when its stale policy says so, and gives them back', async () => {
    await put(remoteSecret('west', { stalePolicy: '{"mode":"DrainAfter","after":"3s"}' }));
    proxy.become('silent');
    await waitFor('withdrawn', () => (foreign.at(-1) === 0 ? true : undefined), { timeoutMs: 60_000 });
    expect([...(state('west')?.withdrawnHosts ?? [])]).toContain(host);
    await expectTold([ours]);
    // The API server's own endpoint and those of both Services: none of them stands.
    await waitFor('the report', async () => {
      const { endpoints, withdrawnServices = 0 } = (await reportOfWest()) ?? {};
      return endpoints === 0 && withdrawnServices >= 2 ? true : undefined;
    });
    proxy.become('pass');
    await waitFor('back', () => (foreign.at(-1) === all ? true : undefined));
    const report = await waitFor('the report of its return', async () => {
      const found = await reportOfWest();
      return found?.endpoints === 4 ? found : undefined;
    });
    expect(report).not.toHaveProperty('withdrawnServices');
    await put(remoteSecret('west'));
  }, 240_000);

  it('keeps them through kubeconfigs that do not work, until one does', async () => {
    const start = foreign.length;
    const lists = proxy.lists;
    await put(remoteSecret('west', { token: 'wrong' }));
    await trouble('west', /Unauthorized/);
    const broken = remoteSecret('west');
    const data = { west: Buffer.from('{"users":[{"name":"u","user":{"exec":{}}}]}').toString('base64') };
    await put({ ...broken, data } as Secret);
    await trouble('west', /istio-remote-secret-west/);
    await put(remoteSecret('west', { server: `${proxy.url}/` }));
    await isWell('west');
    expect(proxy.lists).toBeGreaterThan(lists);
    expect(fewestSince(start)).toBe(all);
  }, 240_000);

  it('is not delayed by a bad one beside it', async () => {
    const silent = await PathProxy.start('/peers/bad', west);
    silent.become('silent');
    try {
      await put(remoteSecret('bad', { server: silent.url }));
      await createAll(west.client, [slice(echo, 8080, there.slice(0, 2))]);
      await waitFor('two', () => (foreign.at(-1) === 2 ? true : undefined));
      // A new replica begins with what the old one has: the cluster that answers is waited for, the silent one is not.
      // Who answers nothing for a second is not waited for, which a machine that stalls brings about now and then.
      const isAtOnce = ({ endpoints, took }: Awaited<ReturnType<typeof endpointsAtStart>>): boolean =>
        endpoints === 3 && took < atOnceMs;
      const begun = await inRounds(3, isAtOnce, endpointsAtStart);
      expect(begun.endpoints).toBe(3);
      expect(begun.took).toBeLessThan(atOnceMs);
    } finally {
      silent.stop();
      await east.client.delete(pathFor(resources.secrets, { namespace: root, name: 'istio-remote-secret-bad' }));
    }
  }, 180_000);

  /** Endpoints of the service in the first model of one more replica, and milliseconds until it had that. */
  async function endpointsAtStart(): Promise<{ readonly endpoints: number | undefined; readonly took: number }> {
    const before = Date.now();
    const another = await startReplica(east, flags);
    const took = Date.now() - before;
    const found = another.mesh.index.current?.model.services.find(({ hostname }) => hostname === host);
    await another.stop();
    return { endpoints: found?.endpoints.length, took };
  }

  it('reaches two clusters of one network each through its own gateways: by its pods, in its zone, for what it has', async () => {
    const south = await startApiServer();
    const way = await PathProxy.start('/peers/south', south);
    const gateways = ['192.0.2.1', '192.0.2.9'];
    const ofSouth: Told = { priority: 1, zone: 'c', weight: 1, endpoints: ['192.0.2.9:15443'] };
    const ofWest: Told = { priority: 1, zone: 'b', weight: 2, endpoints: ['192.0.2.1:15443'] };
    const shopCluster = 'outbound|80||shop.demo.svc.cluster.local';
    try {
      await createAll(south.client, [namespace('demo'), node('us', 'c'), echo]);
      await createPod(south.client, pod('echo-9', '10.20.0.1'));
      await createAll(south.client, [slice(echo, 8080, [pod('echo-9', '10.20.0.1')])]);
      await put(meshNetworks(gateways, { west: ['192.0.2.1'], south: ['192.0.2.9'] }));
      await put(remoteSecret('south', { server: way.url, ca: way.ca, token: adminToken(south) }));
      await expectTold([ours, ofWest, ofSouth]);
      await expectTold([{ ...ofWest, priority: 0, weight: 1 }], shopCluster);
      const lists = proxy.lists + way.lists;
      // Nobody else's gateways stand in for those that are gone.
      await put(meshNetworks(['192.0.2.9'], { west: [], south: ['192.0.2.9'] }));
      await expectTold([ours, ofSouth]);
      await expectTold([], shopCluster);
      expect(proxy.lists + way.lists).toBe(lists);
    } finally {
      await east.client.delete(pathFor(resources.secrets, { namespace: root, name: 'istio-remote-secret-south' }));
      way.stop();
      await south.stop();
    }
    await put(meshNetworks(['192.0.2.1']));
    await expectTold([ours, ofWest]);
  }, 300_000);

  it('forgets the cluster with its Secret, also when only the label goes', async () => {
    const secret = remoteSecret('west');
    const path = pathFor(resources.secrets, { namespace: root, name: secret.metadata?.name });
    await east.client.patch(
      path,
      { metadata: { labels: { [labels.multiCluster]: null } } },
      'application/merge-patch+json',
    );
    await expectTold([ours]);
    expect(replica.mesh.index.remotes.states).toEqual([]);
    expect(secret.metadata?.annotations).toHaveProperty([annotations.remoteCluster]);
    // Envoy is told what is removed once it has taken what is left.
    await waitFor('shop to go', async () =>
      (await envoy.admin('/clusters')).includes('shop.demo') ? undefined : true,
    );
    const rejected = await envoy.admin(`/stats?filter=update_rejected&usedonly`);
    expect(rejected.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'))).toEqual([]);
  }, 90_000);
});
