import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { Informer, resources, silentLogger } from '#kube';
import type { ApiObject } from '#kube';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { statusWith } from './condition.js';

const peerCount = 12;

let cluster: Cluster;
let controller: Controller;
const ending = new AbortController();

beforeAll(async () => {
  cluster = await Cluster.start();
  controller = await cluster.controller('controller-1');
}, 150_000);

afterAll(async () => {
  ending.abort();
  await cluster?.stop();
}, 30_000);

type Resource = ApiObject & { readonly status?: PeerStatus };

describe('peers that are heard for the first time, several at once', () => {
  it('are never told to be imported, with nothing, before a pass has planned what they offer', async () => {
    const { client } = cluster;
    const statuses = new Informer<Resource>({ client, resource: resources.istioFederations, logger: silentLogger });
    const told: string[] = [];
    statuses.onChange((_key, current) => {
      const condition = current?.status?.conditions?.find(({ type }) => type === 'ServicesImported');
      if (condition?.status === 'True') told.push(condition.message);
    });
    statuses.start(ending.signal);
    await statuses.synced;
    const peers = await Promise.all(Array.from({ length: peerCount }, (_unused, index) => cluster.peer(`p${index}`)));
    await Promise.all(peers.map((peer) => cluster.applyResource(peer)));
    await Promise.all(
      peers.map((peer) => statusWith(cluster, peer, 'ServicesImported', 'Succeeded', { message: /^1 service$/ })),
    );
    expect(new Set(told)).toEqual(new Set(['1 service']));
    const metrics = await controller.metrics();
    for (const { name } of peers)
      expect(metrics).toContain(
        `isthmus_peer_services{peer="federation/${name}",direction="imported",app="controller"} 1\n`,
      );
  }, 60_000);
});
