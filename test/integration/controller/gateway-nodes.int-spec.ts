import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Node } from '#istio-api';
import { pathOfObject } from '#kube';
import type { ApiObject } from '#kube';
import { hookTimeoutMs } from '../../harness/child.js';
import { createPod } from '../mesh/cluster-objects.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { conditionOf } from './condition.js';
import type { Peer } from './peer.js';

/** A pass comes by itself once a minute, now and then sooner: of two changes in a row it brings one at most as soon as this. */
const soonMs = 25_000;

let cluster: Cluster;
let controller: Controller;
let peer: Peer;

const node: Node & ApiObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } };

/** What a pass wrote is looked at by another a second later: that one must not be taken for the node's. */
function settled(): Promise<void> {
  return new Promise((done) => setTimeout(done, 3_000));
}

async function setReady(status: 'True' | 'Unknown'): Promise<void> {
  const addresses = [{ type: 'InternalIP', address: '192.0.2.1' }];
  const body = { status: { addresses, conditions: [{ type: 'Ready', status }] } };
  await cluster.client.patch(pathOfObject(node, 'status'), body, 'application/merge-patch+json');
}

async function cordon(unschedulable: boolean): Promise<void> {
  await cluster.client.patch(pathOfObject(node), { spec: { unschedulable } }, 'application/merge-patch+json');
}

/** Waits until peers are told an address of our gateway, or none. */
async function announced(any: boolean, timeoutMs = soonMs): Promise<void> {
  await conditionOf(cluster, peer, 'ServicesExported', any ? 'Succeeded' : 'NoGateways', { timeoutMs });
}

beforeAll(async () => {
  cluster = await Cluster.start({ gateway: { serviceType: 'NodePort' } });
  const service = cluster.chart.objects.find(
    ({ kind, metadata }) => kind === 'Service' && metadata?.name === 'isthmus-eastwestgateway',
  );
  await cluster.client.apply(service!, { fieldManager: 'helm' });
  await cluster.client.apply(node, { fieldManager: 'kubelet' });
  await setReady('True');
  const labels = { istio: 'eastwestgateway' };
  await createPod(cluster.client, { namespace: releaseNamespace, name: 'gateway-1', address: '10.0.0.9', labels });
  peer = await cluster.peer('good');
  controller = await cluster.firstController('controller-1');
  await cluster.applyResource(peer);
  await announced(true, 60_000);
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('a node that runs the gateway behind a NodePort', () => {
  it('is no longer told to peers within seconds once it is cordoned, and again when it takes pods', async () => {
    await settled();
    await cordon(true);
    await announced(false);
    await settled();
    await cordon(false);
    await announced(true);
  }, 120_000);

  it('likewise while it is not ready', async () => {
    await settled();
    await setReady('Unknown');
    await announced(false);
    await settled();
    await setReady('True');
    await announced(true);
    expect(controller.alive()).toBe(true);
  }, 120_000);
});
