import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import type { Node } from '#istio-api';
import { pathFor, pathOfObject, resources } from '#kube';
import type { ApiObject } from '#kube';
import { waitFor } from '../../harness/child.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { createPod } from '../mesh/cluster-objects.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { Peer } from './peer.js';
import { PeerServer } from './peer-server.js';

/** A pass comes by itself once a minute, now and then sooner: of two changes in a row it brings one at most as soon as this. */
const soonMs = 15_000;

let cluster: Cluster;
let controller: Controller;
let server: PeerServer;
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
  await waitFor(
    any ? 'a gateway address to be told' : 'no gateway address to be told',
    async () => {
      const path = pathFor(resources.istioFederations, { name: peer.name });
      const { status } = (await cluster.client.get<ApiObject & { status?: PeerStatus }>(path)) ?? {};
      const told = status?.conditions?.find(({ type }) => type === 'ServicesExported');
      return (any ? told?.reason === 'Succeeded' : told?.reason === 'NoGateways') ? true : undefined;
    },
    { timeoutMs, everyMs: 50, logFile: controller.logFile },
  );
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
  const ca = await writeServingCertificate(join(cluster.directory, 'tls'));
  server = await PeerServer.start(join(cluster.directory, 'tls'));
  peer = new Peer('good', server);
  peer.behave();
  controller = await cluster.controller('controller-1');
  await cluster.client.apply(peer.resource(ca) as ApiObject, { fieldManager: 'operator' });
  await announced(true, 60_000);
}, 200_000);

afterAll(async () => {
  server?.stop();
  await controller?.stop();
  await cluster?.stop();
}, 30_000);

describe('a node that runs the gateway behind a NodePort', () => {
  it('is no longer told to peers within seconds once it is cordoned, and again when it takes pods', async () => {
    await settled();
    await cordon(true);
    await announced(false);
    await settled();
    await cordon(false);
    await announced(true);
  }, 90_000);

  it('likewise while it is not ready', async () => {
    await settled();
    await setReady('Unknown');
    await announced(false);
    await settled();
    await setReady('True');
    await announced(true);
    expect(controller.alive()).toBe(true);
  }, 90_000);
});
