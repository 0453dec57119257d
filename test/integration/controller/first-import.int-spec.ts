import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import type { ServiceEntry } from '#istio-api';
import { Informer, resources, silentLogger } from '#kube';
import type { ApiObject } from '#kube';
import { hookTimeoutMs, waitFor } from '../../harness/child.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { statusWith } from './condition.js';

const peerCount = 12;

let cluster: Cluster;
let controller: Controller;
const ending = new AbortController();

beforeAll(async () => {
  cluster = await Cluster.start();
  controller = await cluster.firstController('controller-1');
}, hookTimeoutMs);

afterAll(async () => {
  ending.abort();
  await cluster?.stop();
}, 30_000);

type Resource = ApiObject & { readonly status?: PeerStatus };

/** Where in the cluster's history an object was written; comparable among all kinds (KEP-5504). */
function versionOf({ metadata }: ApiObject): bigint {
  return BigInt(metadata?.resourceVersion ?? 0);
}

describe('peers that are heard for the first time, several at once', () => {
  it('are told to be imported, with all that they offer, only after it stands', async () => {
    const { client } = cluster;
    const statuses = new Informer<Resource>({ client, resource: resources.istioFederations, logger: silentLogger });
    const entries = new Informer<ServiceEntry & ApiObject>({
      ...{ client, resource: resources.serviceEntries, namespace: 'isthmus-imports', logger: silentLogger },
    });
    const told: { readonly message: string; readonly trustDomain: string; readonly at: bigint }[] = [];
    const written = new Map<string, bigint>();
    statuses.onChange((key, current) => {
      const condition = current?.status?.conditions?.find(({ type }) => type === 'ServicesImported');
      if (current === undefined || condition?.status !== 'True') return;
      told.push({ message: condition.message, trustDomain: `${key}.example`, at: versionOf(current) });
    });
    entries.onChange((_key, current, previous) => {
      if (current !== undefined && previous === undefined)
        written.set(current.spec?.hosts[0] ?? '', versionOf(current));
    });
    for (const informer of [statuses, entries]) informer.start(ending.signal);
    await Promise.all([statuses.synced, entries.synced]);
    const peers = await Promise.all(Array.from({ length: peerCount }, (_unused, index) => cluster.peer(`p${index}`)));
    await Promise.all(peers.map((peer) => cluster.applyResource(peer)));
    await Promise.all(
      peers.map((peer) =>
        statusWith(cluster, peer, 'ServicesImported', 'Succeeded', { message: /^1 service$/, timeoutMs: 60_000 }),
      ),
    );
    await waitFor(
      'all to be heard of',
      async () => (told.length >= peerCount && written.size === peerCount) || undefined,
      { timeoutMs: 20_000 },
    );
    expect(new Set(told.map(({ message }) => message))).toEqual(new Set(['1 service']));
    const tooEarly = told.filter(({ trustDomain, at }) => (written.get(`echo.demo.svc.${trustDomain}`) ?? at) >= at);
    expect(tooEarly).toEqual([]);
    const metrics = await controller.metrics();
    for (const { name } of peers)
      expect(metrics).toContain(
        `isthmus_peer_services{peer="federation/${name}",direction="imported",app="controller"} 1\n`,
      );
  }, 180_000);
});
