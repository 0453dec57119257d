import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConfigMap, Secret } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { annotations, labels, names } from '#model';
import { remoteSecretFor } from '#planner';
import {
  digestOf,
  indexName,
  partConfigMap,
  partNames,
  registryIn,
  registryText,
} from '../../apps/mesh/src/registries/kept-registry.js';
import { KeptStore } from '../../apps/mesh/src/registries/kept-store.js';
import { RegistryKeeper } from '../../apps/mesh/src/registries/registry-keeper.js';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { inRounds } from '../harness/rounds.js';
import { createAll, createPod, namespace, service, slice } from './mesh/cluster-objects.js';
import type { PodFacts } from './mesh/cluster-objects.js';
import { startReplica, type Replica } from './mesh/mesh-under-test.js';
import { PathProxy } from './mesh/path-proxy.js';

const root = 'istio-system';
const peers = 'isthmus-peers';
const host = 'shop.demo.svc.cluster.local';
const pods: readonly PodFacts[] = [1, 2, 3].map((n) => ({
  namespace: 'demo',
  name: `shop-${n}`,
  address: `10.20.0.${n}`,
  labels: { app: 'shop' },
}));
const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
const shop = service({ namespace: 'demo', name: 'shop', ports, selector: { app: 'shop' } });
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const clock = { now: () => Date.now() };

describe('what was read of a remote cluster', () => {
  let east: ApiServer;
  let west: ApiServer;
  let proxy: PathProxy;
  let replica: Replica | undefined;
  /** Endpoints of the service, model after model of all replicas. */
  const seen: number[] = [];

  beforeAll(async () => {
    [east, west] = await Promise.all([startApiServer(), startApiServer()]);
    await createAll(east.client, [namespace(root), namespace(peers), namespace('demo')]);
    await createAll(west.client, [namespace('demo'), shop]);
    for (const each of pods) await createPod(west.client, each);
    await createAll(west.client, [slice(shop, 8080, pods.slice(0, 2))]);
    proxy = await PathProxy.start('/peers/west', west);
    await putSecret();
  }, hookTimeoutMs);

  afterAll(async () => {
    await replica?.stop();
    proxy?.stop();
    await Promise.all([east?.stop(), west?.stop()]);
  }, 60_000);

  function remoteSecret(more: { stalePolicy?: string; trustDomain?: string } = {}): Secret {
    const credential = /"token":"([^"]+)"/.exec(readFileSync(west.kubeconfig, 'utf8'))?.[1] ?? '';
    const { url: server, ca } = proxy;
    const trustDomain = 'west.example';
    return remoteSecretFor({
      name: 'west',
      namespace: root,
      clusterID: 'west',
      server,
      ca,
      credential,
      trustDomain,
      ...more,
    });
  }

  async function putSecret(more: { stalePolicy?: string; trustDomain?: string } = {}): Promise<void> {
    await east.client.apply(remoteSecret(more) as ApiObject, { fieldManager: 'test' });
  }

  async function deleteSecret(): Promise<void> {
    await east.client.delete(pathFor(resources.secrets, { namespace: root, name: 'istio-remote-secret-west' }));
  }

  const kept = (): Promise<ConfigMap[]> =>
    east.client.list<ConfigMap>(pathFor(resources.configMaps, { namespace: peers }), {
      labelSelector: labels.keptRegistry,
    });
  const isKept = (what: string, wanted: (all: readonly ConfigMap[]) => boolean): Promise<unknown> =>
    waitFor(what, async () => (wanted(await kept()) ? true : undefined), { timeoutMs: 90_000 });

  const written = async (): Promise<object> =>
    Object.fromEntries((await kept()).map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion]));

  /** What was written before another replica started, and what once it had run for some seconds. */
  async function besideAnother(): Promise<readonly [before: object, after: object]> {
    const before = await written();
    const another = await startReplica(east);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await another.stop();
    return [before, await written()];
  }

  async function start(): Promise<number> {
    replica = await startReplica(east);
    const endpoints = (): number =>
      replica?.mesh.index.current?.model.services.find(({ hostname }) => hostname === host)?.endpoints.length ?? 0;
    const first = endpoints();
    seen.push(first);
    replica.mesh.index.onModel(() => seen.push(endpoints()));
    return first;
  }

  async function stop(): Promise<void> {
    await replica?.stop();
    replica = undefined;
  }

  async function restartWhileAway(): Promise<number> {
    await stop();
    proxy.become('silent');
    return start();
  }

  const state = () => replica?.mesh.index.remotes.states[0];
  const isRead = (): Promise<unknown> =>
    waitFor('west read', () => (state()?.synced === true && state()?.error === undefined ? true : undefined), {
      timeoutMs: 60_000,
    });

  it('is written down once it is whole, without secrets, and by one replica alone', async () => {
    await start();
    await waitFor('two', () => (seen.at(-1) === 2 ? true : undefined));
    await isKept('index and part', (all) => all.length === 2);
    // The first writes a sign of life once a minute: what another one writes too is there in each round.
    const [before, after] = await inRounds(3, ([one, other]) => isDeepStrictEqual(other, one), besideAnother);
    expect(after).toEqual(before);
    const read = await new KeptStore(east.client, peers).read(indexName('west'));
    const text = JSON.stringify(read);
    expect(text).toContain('10.20.0.2');
    expect(text).not.toContain(remoteSecret().data?.['west'] ?? '?');
  }, 240_000);

  it('is shown by a replica that starts while the cluster is away, with its real age', async () => {
    const lastContact = state()?.lastContact ?? 0;
    // A start waits five seconds for what was kept.
    expect(await inRounds(3, (first) => first === 2, restartWhileAway)).toBe(2);
    const { synced, error, lastContact: since = 0 } = state() ?? {};
    expect([synced, error]).toEqual([false, expect.stringContaining('what was kept')]);
    // Kept once a minute, some moments later.
    expect(since).toBeGreaterThan(lastContact - 120_000);
    expect(since).toBeLessThanOrEqual(lastContact);
    const path = pathFor(resources.configMaps, { namespace: root, name: names.remoteClustersConfigMap });
    await waitFor('report', async () => {
      const { clusters } = JSON.parse((await east.client.get<ConfigMap>(path))?.data?.['mesh'] ?? '{}') as {
        clusters?: Record<string, { synced: boolean; services: number; endpoints: number }>;
      };
      return clusters?.['west']?.synced === false && clusters['west'].endpoints >= 2 ? true : undefined;
    });
  }, 240_000);

  it('is replaced as a whole when the cluster is back, without a gap', async () => {
    const from = seen.length;
    await createAll(west.client, [slice(shop, 8080, pods)]);
    proxy.become('pass');
    await isRead();
    await waitFor('three', () => (seen.at(-1) === 3 ? true : undefined));
    expect(seen.slice(from).filter((count) => count !== 2 && count !== 3)).toEqual([]);
    const store = new KeptStore(east.client, peers);
    await waitFor(
      'three kept, nothing else left',
      async () => {
        const read = await store.read(indexName('west'));
        const whole = typeof read === 'object' && JSON.stringify(read.objects.endpointSlices).includes('10.20.0.3');
        return whole && (await kept()).length === 2 ? true : undefined;
      },
      { timeoutMs: 90_000 },
    );
  }, 240_000);

  it('ages: a policy that does not bear the silence withdraws it from the first model on', async () => {
    await putSecret({ stalePolicy: '{"mode":"DrainAfter","after":"1s"}' });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await restartWhileAway()).toBe(0);
    const hosts = ['kubernetes.default', 'shop.demo'].map((name) => `${name}.svc.cluster.local`);
    await waitFor('what the silence costs', () =>
      isDeepStrictEqual(state()?.withdrawnHosts, new Set(hosts)) ? true : undefined,
    );
    expect(state()?.synced).toBe(false);
    await putSecret();
    await waitFor('three', () => (seen.at(-1) === 3 ? true : undefined));
  }, 240_000);

  it('is not shown for a Secret that names another trust domain', async () => {
    await stop();
    await putSecret({ trustDomain: 'else.example' });
    expect(await start()).toBe(0);
    expect(state()?.error ?? '').not.toContain('kept');
    await stop();
    await putSecret();
  }, 240_000);

  it('is passed over when it is damaged, and written anew', async () => {
    proxy.become('pass');
    await start();
    await isKept('all', (all) => all.length === 2);
    await stop();
    const part = (await kept()).find(({ binaryData }) => binaryData !== undefined);
    const path = pathFor(resources.configMaps, { namespace: peers, name: part?.metadata?.name });
    const [key = '', value = ''] = Object.entries(part?.binaryData ?? {})[0] ?? [];
    const bytes = Buffer.from(value, 'base64');
    bytes[bytes.length - 10] = (bytes.at(-10) ?? 0) ^ 255;
    await east.client.patch(path, { binaryData: { [key]: bytes.toString('base64') } }, 'application/merge-patch+json');
    expect(typeof (await new KeptStore(east.client, peers).read(indexName('west')))).toBe('string');
    proxy.become('silent');
    expect(await start()).toBe(0);
    proxy.become('pass');
    await isRead();
    await waitFor(
      'it is written anew',
      async () =>
        typeof (await new KeptStore(east.client, peers).read(indexName('west'))) === 'object' ? true : undefined,
      { timeoutMs: 90_000 },
    );
    await stop();
    const again = (await kept()).find(({ binaryData }) => binaryData !== undefined);
    await east.client.delete(pathFor(resources.configMaps, { namespace: peers, name: again?.metadata?.name }));
    expect(await new KeptStore(east.client, peers).read(indexName('west'))).toContain('parts');
    proxy.become('silent');
    expect(await start()).toBe(0);
  }, 240_000);

  it('goes with the Secret, and does not come back with another one of its name', async () => {
    proxy.become('pass');
    await isRead();
    await isKept('all', (all) => all.length === 2);
    await stop();
    await deleteSecret();
    await putSecret();
    expect(await kept()).toHaveLength(2);
    proxy.become('silent');
    expect(await start()).toBe(0);
    await isKept('nothing of the Secret that was', (all) => all.length === 0);
    proxy.become('pass');
    await isRead();
    await isKept('all', (all) => all.length === 2);
    await deleteSecret();
    await isKept('nothing', (all) => all.length === 0);
    await waitFor('none', () => (seen.at(-1) === 0 ? true : undefined));
  }, 240_000);

  it('is removed when the Secret went while no mesh core ran', async () => {
    await putSecret();
    await isRead();
    await isKept('all', (all) => all.length === 2);
    await stop();
    await deleteSecret();
    expect(await start()).toBe(0);
    await isKept('nothing', (all) => all.length === 0);
    await stop();
  }, 240_000);
});

describe('the ConfigMaps of what was kept', () => {
  let api: ApiServer;
  const owner = { clusterID: 'west', secret: 'istio-system/west', secretUID: 'uid', trustDomain: '' };
  const empty = { services: [], endpointSlices: [], pods: [], localities: new Map(), networks: new Map() };
  /** Nothing can compress it. */
  const random = (bytes: number) => ({
    ...empty,
    networks: new Map([['demo', randomBytes(bytes).toString('base64')]]),
  });

  beforeAll(async () => {
    api = await startApiServer();
    await createAll(api.client, [namespace(peers)]);
  }, hookTimeoutMs);
  afterAll(() => api?.stop(), 30_000);

  it('are a whole at every moment while two replicas write, in several parts', async () => {
    const [one, two, reader] = [1, 2, 3].map(() => new KeptStore(api.client, peers)) as [
      KeptStore,
      KeptStore,
      KeptStore,
    ];
    let isOver = false;
    const write = async (store: KeptStore): Promise<number> => {
      let written = 0;
      for (let round = 0; round < 6; round += 1) {
        const text = registryText(random(1_500_000));
        const live = await store.index('west');
        const order = { owner, digest: digestOf(text), lastContact: round };
        if (typeof (await store.write(live, order, text, () => true)) === 'object') written += 1;
      }
      return written;
    };
    const reads: unknown[] = [];
    const read = async (): Promise<void> => {
      while (!isOver) reads.push(await reader.read(indexName('west')));
    };
    const reading = read();
    const written = await Promise.all([write(one), write(two)]);
    isOver = true;
    await reading;
    expect(written[0] + written[1]).toBeGreaterThanOrEqual(6);
    expect(reads.filter((found) => typeof found === 'string')).toEqual([]);
    expect(reads.filter((found) => typeof found === 'object').length).toBeGreaterThan(0);
    expect((await reader.list()).length).toBe(3);
    await reader.remove(indexName('west'));
    expect(await reader.list()).toEqual([]);
  }, 240_000);

  it('hold so much and no more: then nothing is kept, and it is said', async () => {
    let objects = random(1000);
    const stop = new AbortController();
    const keeper = new RegistryKeeper({
      client: api.client,
      logger: silent,
      clock: { now: () => Date.now() * 100 },
      namespace: peers,
      followed: () => [{ owner, whole: { objects, lastContact: 1, silent: false } }],
      onLoaded: () => undefined,
      onFault: () => undefined,
    });
    const store = new KeptStore(api.client, peers);
    keeper.start(stop.signal);
    await waitFor('it is kept', async () => ((await store.list()).length === 2 ? true : undefined));
    objects = random(16 * 900 * 1024);
    await waitFor('the fault', () => (keeper.fault('west')?.includes('more than') === true ? true : undefined));
    expect(await store.list()).toEqual([]);
    objects = random(1000);
    await waitFor('it is kept again', async () => ((await store.list()).length === 2 ? true : undefined));
    await waitFor('no fault', () => (keeper.fault('west') === undefined ? true : undefined));
    stop.abort();
  }, 240_000);

  it('leave nothing behind of writes that were cut short', async () => {
    const store = new KeptStore(api.client, peers);
    const metadata = { namespace: peers, name: 'lost', labels: { [labels.keptRegistry]: 'part' } };
    const unreadable = {
      ...metadata,
      name: 'unreadable',
      labels: { [labels.keptRegistry]: 'index' },
      annotations: { [annotations.keptRegistry]: '{' },
    };
    await api.client.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata } as ConfigMap);
    await api.client.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: unreadable } as ConfigMap);
    await store.sweep(() => true, clock.now() - 600_000);
    const left = (await store.list()).map((each) => each.metadata?.name);
    expect(left).toHaveLength(3);
    expect(left).toContain('lost');
    await store.sweep(() => true, clock.now() + 600_000);
    expect(await store.list()).toHaveLength(2);
    const part = (await store.list()).find(({ metadata: found }) => found?.labels?.[labels.keptRegistry] === 'part');
    await api.client.delete(pathFor(resources.configMaps, { namespace: peers, name: part?.metadata?.name }));
    await store.sweep(() => true, 0);
    expect(await store.list()).toEqual([]);
    const text = registryText(random(10));
    await store.write(undefined, { owner, digest: digestOf(text), lastContact: 1 }, text, () => true);
    await store.sweep(() => false, 0);
    expect(await store.list()).toEqual([]);
  });

  it('are not taken for a whole when they are of two writes', async () => {
    const store = new KeptStore(api.client, peers);
    const [text, other] = [registryText(random(10)), registryText(random(10))];
    const index = await store.write(undefined, { owner, digest: digestOf(text), lastContact: 1 }, text, () => true);
    expect(await store.read(indexName('west'))).toMatchObject({ owner, lastContact: 1, objects: registryIn(text) });
    const [name = ''] = typeof index === 'object' ? partNames(index) : [];
    const { binaryData } = partConfigMap(peers, name, gzipSync(other));
    const path = pathFor(resources.configMaps, { namespace: peers, name });
    await api.client.patch(path, { binaryData }, 'application/merge-patch+json');
    expect(await store.read(indexName('west'))).toContain('written together');
  });
});
