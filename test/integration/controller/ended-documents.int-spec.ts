import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import type { ServiceEntry } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { names, trustRegistryIn } from '#model';
import { waitFor } from '../../harness/child.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { Peer } from './peer.js';
import { json, PeerServer } from './peer-server.js';

/** Beyond the end of a document there are thirty seconds for clocks that differ. */
const endedWithinMs = 120_000;
const lifetimeSeconds = 10;

let cluster: Cluster;
let controller: Controller;
let ca: string;
const servers: PeerServer[] = [];

async function newPeer(name: string): Promise<Peer> {
  const server = await PeerServer.start(join(cluster.directory, 'tls'));
  servers.push(server);
  const peer = new Peer(name, server);
  peer.behave();
  return peer;
}

/** Trust fails closed soon after silence begins. */
async function meet(peer: Peer): Promise<void> {
  const { spec, ...rest } = peer.resource(ca) as { readonly spec: object };
  const object = { ...rest, spec: { ...spec, stalePolicy: { mode: 'FailClosed', after: '5s' } } };
  await cluster.client.apply(object as unknown as ApiObject, { fieldManager: 'operator' });
  await conditionOf(peer, 'ServicesImported', 'Succeeded');
  expect(await endpointsOf(peer)).toBe(1);
}

function conditionOf(peer: Peer, type: string, reason: string, timeoutMs = 60_000): Promise<string> {
  return waitFor(
    `${type} of ${peer.name} to say ${reason}`,
    async () => {
      const path = pathFor(resources.istioFederations, { name: peer.name });
      const { status } = (await cluster.client.get<ApiObject & { status?: PeerStatus }>(path)) ?? {};
      const found = status?.conditions?.find((condition) => condition.type === type);
      if (found?.reason === reason) return found.message;
      throw new Error(`${found?.status}/${found?.reason}: ${found?.message}`);
    },
    { timeoutMs, everyMs: 100, logFile: controller.logFile },
  );
}

/** None also where the entry is gone, as that of a peer is in which trust has ended. */
async function endpointsOf(peer: Peer): Promise<number> {
  const path = pathFor(resources.serviceEntries, { namespace: 'isthmus-imports' });
  const entries = await cluster.client.list<ServiceEntry & ApiObject>(path);
  return entries.find(({ spec }) => spec?.hosts[0] === peer.echo)?.spec?.endpoints?.length ?? 0;
}

async function endpointsBecome(peer: Peer, count: number): Promise<void> {
  const reached = async (): Promise<true | undefined> => ((await endpointsOf(peer)) === count ? true : undefined);
  await waitFor(`${count} endpoints of ${peer.name}`, reached, { timeoutMs: 60_000, everyMs: 100 });
}

async function isTrusted(peer: Peer): Promise<boolean> {
  const path = pathFor(resources.secrets, { namespace: releaseNamespace, name: names.trustSecret });
  const secret = await cluster.client.get<ApiObject & { data?: Readonly<Record<string, string>> }>(path);
  return trustRegistryIn(secret?.data)?.peers.some(({ name }) => name === peer.name) ?? false;
}

beforeAll(async () => {
  cluster = await Cluster.start();
  ca = await writeServingCertificate(join(cluster.directory, 'tls'));
  controller = await cluster.controller('controller-1');
}, 150_000);

afterAll(async () => {
  for (const server of servers) server.stop();
  await controller?.stop();
  await cluster?.stop();
}, 30_000);

describe('a peer that answers 304 beyond the end of what it signed', () => {
  it('is stale and silent from the end of its public document, for the next leader too, until a newer one comes', async () => {
    const peer = await newPeer('frozen');
    peer.server.publicAnswer = json(peer.publicDocument({ lifetimeSeconds }));
    await meet(peer);
    const message = await conditionOf(peer, 'MetadataSynced', 'StaleKeepingLastKnownGood', endedWithinMs);
    expect(message).toMatch(/public document ended \d+ s ago/);
    await conditionOf(peer, 'TrustEstablished', 'FailedClosed');
    await endpointsBecome(peer, 0);
    expect(await isTrusted(peer)).toBe(false);
    await controller.stop();
    controller = await cluster.controller('controller-2');
    // The next leader makes its passes by now, and has heard the old answer once more.
    await meet(await newPeer('newcomer'));
    expect(await isTrusted(peer)).toBe(false);
    expect(await endpointsOf(peer)).toBe(0);
    peer.server.publicAnswer = json(peer.publicDocument());
    await conditionOf(peer, 'MetadataSynced', 'Succeeded');
    await endpointsBecome(peer, 1);
    expect(await isTrusted(peer)).toBe(true);
  }, 400_000);

  it('loses its services by the end of its private document, and keeps the trust by which a newer one is asked for', async () => {
    const peer = await newPeer('content');
    const content = peer.content();
    peer.server.privateAnswer = json(peer.federation(content, peer.nextSeq(), lifetimeSeconds));
    await meet(peer);
    const message = await conditionOf(peer, 'MetadataSynced', 'StaleKeepingLastKnownGood', endedWithinMs);
    expect(message).toMatch(/private document ended \d+ s ago/);
    await conditionOf(peer, 'ServicesImported', 'Drained');
    await endpointsBecome(peer, 0);
    expect(await isTrusted(peer)).toBe(true);
    peer.server.privateAnswer = json(peer.federation(content));
    await conditionOf(peer, 'ServicesImported', 'Succeeded');
    await endpointsBecome(peer, 1);
  }, 400_000);

  it('stays trusted and imported, past the end of what was taken, while the newer documents it shows wait for approval of their key', async () => {
    const peer = await newPeer('approval');
    peer.server.publicAnswer = json(peer.publicDocument({ lifetimeSeconds }));
    peer.server.privateAnswer = json(peer.federation(peer.content(), peer.nextSeq(), lifetimeSeconds));
    await meet(peer);
    const changed = new Peer(peer.name, peer.server);
    changed.behave();
    await conditionOf(peer, 'TrustEstablished', 'KeyChangedPendingApproval');
    // What this one signed ends later: when trust in it is withdrawn, that in the other would be, too.
    const control = await newPeer('control');
    control.server.publicAnswer = json(control.publicDocument({ lifetimeSeconds: lifetimeSeconds + 10 }));
    await meet(control);
    await conditionOf(control, 'TrustEstablished', 'FailedClosed', endedWithinMs);
    expect(await conditionOf(peer, 'MetadataSynced', 'KeyChangedPendingApproval')).toMatch(/goes on/);
    expect(await isTrusted(peer)).toBe(true);
    expect(await endpointsOf(peer)).toBe(1);
  }, 400_000);
});
