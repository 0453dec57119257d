import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConfigMap, Secret } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { hookTimeoutMs, waitFor } from '../../harness/child.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { conditionOf } from './condition.js';

type Kept = (ConfigMap | Secret) & ApiObject;

const doorSecret = 'isthmus-metadata-tls';
const [clusterMap, keys, peerMemory] = ['isthmus-cluster', 'isthmus-signing-keys', 'isthmus-peer-federation-good'];

/** All is looked at once a minute: what comes sooner was seen to be gone. */
const soonMs = 15_000;

let cluster: Cluster;
let controller: Controller;

function pathOf(kind: 'configMaps' | 'secrets', name: string): string {
  return pathFor(resources[kind], { namespace: releaseNamespace, name });
}

function there(kind: 'configMaps' | 'secrets', name: string, timeoutMs = 30_000): Promise<Kept> {
  return waitFor(`${kind} ${name}`, () => cluster.client.get<Kept>(pathOf(kind, name)), {
    timeoutMs,
    everyMs: 50,
    logFile: controller.logFile,
  });
}

/** What of an object must be the same after somebody deleted it. */
function content({ metadata, data, type }: Kept & { readonly type?: string }): object {
  return { labels: metadata?.labels, data, type };
}

beforeAll(async () => {
  cluster = await Cluster.start({ clusterUUID: '' });
  const chosen = cluster.chart.objects.find(({ kind, metadata }) => kind === 'Secret' && metadata?.name === doorSecret);
  await cluster.client.apply(chosen!, { fieldManager: 'helm' });
  const good = await cluster.peer('good');
  await cluster.applyResource(good);
  controller = await cluster.firstController('controller-1');
  // It signs for a UUID that this cluster has not chosen: once that was judged, nothing more comes into what is remembered of it.
  const message = /made for another cluster/;
  await conditionOf(cluster, good, 'MetadataSynced', 'SignatureInvalid', { message, timeoutMs: 60_000 });
  await there('secrets', peerMemory);
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('what cannot be made again and somebody deletes while the controller runs', () => {
  it.each([
    ['configMaps', clusterMap, soonMs],
    ['secrets', keys, soonMs],
    ['secrets', peerMemory, soonMs],
    // Nothing watches it: it is looked at once a minute.
    ['secrets', doorSecret, 100_000],
  ] as const)(
    '%s %s comes back the same, and it is said',
    async (kind, name, withinMs) => {
      const before = await there(kind, name);
      await cluster.client.delete(pathOf(kind, name));
      const after = await there(kind, name, withinMs);
      expect(after.metadata?.uid).not.toBe(before.metadata?.uid);
      expect(content(after)).toEqual(content(before));
      const warned = new RegExp(`"level":"?(warn|40)"?.*${name}.*again`);
      await waitFor('the warning', () => (warned.test(controller.log()) ? true : undefined));
    },
    180_000,
  );

  it('is written again also when its Secret is there and empty', async () => {
    const before = await there('secrets', keys);
    const body = { data: { 'keys.json': null } };
    await cluster.client.patch(pathOf('secrets', keys), body, 'application/merge-patch+json');
    const data = await waitFor(
      'the keys',
      async () => {
        const found = (await there('secrets', keys)).data;
        return found?.['keys.json'] === undefined ? undefined : found;
      },
      { timeoutMs: soonMs },
    );
    expect(data).toEqual(before.data);
  }, 90_000);
});

describe('gateway addresses that were asked for by an annotation', () => {
  const told = async (): Promise<string> => (await there('configMaps', 'isthmus-gateways')).data?.['told.json'] ?? '';

  it('stand there again when somebody deletes the ConfigMap, and peers are told the same all the time', async () => {
    const wish = '192.0.2.9:15443';
    const annotation = 'isthmus.dev/gateway-addresses';
    const body = { metadata: { annotations: { [annotation]: wish } } };
    await cluster.client.patch(pathOf('configMaps', clusterMap), body, 'application/merge-patch+json');
    const before = await waitFor('both to be told', async () => ((await told()).includes(wish) ? told() : undefined));
    for (const name of [clusterMap, 'isthmus-gateways']) {
      await cluster.client.delete(pathOf('configMaps', name));
      expect((await there('configMaps', clusterMap, soonMs)).metadata?.annotations?.[annotation]).toBe(wish);
      expect(await told()).toBe(before);
    }
  }, 150_000);
});

describe('another leader', () => {
  it('tells of no certificate that it has not looked at: it never says that ours is the operator’s', async () => {
    const phases = new Set<unknown>();
    let over = false;
    await controller.stop();
    const looking = (async (): Promise<void> => {
      while (!over) {
        const map = await cluster.client.get<Kept>(pathOf('configMaps', clusterMap));
        const told = map?.metadata?.annotations?.['isthmus.dev/rotation-report'] ?? '{}';
        phases.add((JSON.parse(told) as { 'door-certificate'?: { phase: string } })['door-certificate']?.phase);
        await new Promise((done) => setTimeout(done, 5));
      }
    })();
    controller = await cluster.controller('controller-1b');
    await waitFor('it to lead', () => (controller.log().includes('this replica leads') ? true : undefined), {
      timeoutMs: 60_000,
    });
    await new Promise((done) => setTimeout(done, 5_000));
    over = true;
    await looking;
    expect([...phases]).toEqual(['in use']);
  }, 150_000);
});

describe('the ConfigMap deleted while no controller runs', () => {
  it('comes back with the UUID that peers were last told', async () => {
    const { data } = await there('configMaps', clusterMap);
    await controller.stop();
    await cluster.client.delete(pathOf('configMaps', clusterMap));
    controller = await cluster.controller('controller-2');
    expect((await there('configMaps', clusterMap, 60_000)).data).toEqual(data);
    await waitFor('the warning', () => (/isthmus-cluster.*written again/.test(controller.log()) ? true : undefined));
  }, 150_000);
});
