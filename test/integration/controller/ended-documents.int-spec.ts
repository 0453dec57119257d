import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServiceEntry } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { hookTimeoutMs, waitFor } from '../../harness/child.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { conditionOf } from './condition.js';
import type { Condition, Patience } from './condition.js';
import { Peer } from './peer.js';
import { json } from './peer-server.js';
import { isTrusted } from './written.js';

const lifetimeSeconds = 10;
/** Beyond the end of a document there are thirty seconds for clocks that differ; and another leader may have to start first. */
const patienceMs = 120_000;

let cluster: Cluster;
let controller: Controller;

/** Trust fails closed soon after silence begins. */
async function meet(peer: Peer): Promise<void> {
  await cluster.applyResource(peer, { stalePolicy: { mode: 'FailClosed', after: '5s' } });
  await says(peer, 'ServicesImported', 'Succeeded');
  expect(await endpointsOf(peer)).toBe(1);
}

/** A condition as soon as it gives this reason, in such words: a fetch that fails gives some of the same reasons. */
function says(peer: Peer, type: string, reason: string, message: Patience['message'] = /./): Promise<Condition> {
  return conditionOf(cluster, peer, type, reason, { message, timeoutMs: patienceMs });
}

/** None also where the entry is gone, as that of a peer is in which trust has ended. */
async function endpointsOf(peer: Peer): Promise<number> {
  const path = pathFor(resources.serviceEntries, { namespace: 'isthmus-imports' });
  const entries = await cluster.client.list<ServiceEntry & ApiObject>(path);
  return entries.find(({ spec }) => spec?.hosts[0] === peer.echo)?.spec?.endpoints?.length ?? 0;
}

async function endpointsBecome(peer: Peer, count: number): Promise<void> {
  const reached = async (): Promise<true | undefined> => ((await endpointsOf(peer)) === count ? true : undefined);
  await waitFor(`${count} endpoints of ${peer.name}`, reached, { timeoutMs: patienceMs, everyMs: 100 });
}

beforeAll(async () => {
  cluster = await Cluster.start();
  controller = await cluster.firstController('controller-1');
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('a peer that answers 304 beyond the end of what it signed', () => {
  it('is stale and silent from the end of its public document, for the next leader too, until a newer one comes', async () => {
    const peer = await cluster.peer('frozen');
    peer.server.publicAnswer = json(peer.publicDocument({ lifetimeSeconds }));
    await meet(peer);
    await says(peer, 'MetadataSynced', 'StaleKeepingLastKnownGood', /public document ended \d+ s ago/);
    await says(peer, 'TrustEstablished', 'FailedClosed');
    await endpointsBecome(peer, 0);
    expect(await isTrusted(cluster.client, peer.name)).toBe(false);
    await controller.stop();
    controller = await cluster.controller('controller-2');
    // The next leader makes its passes by now, and has heard the old answer once more.
    await meet(await cluster.peer('newcomer'));
    expect(await isTrusted(cluster.client, peer.name)).toBe(false);
    expect(await endpointsOf(peer)).toBe(0);
    peer.server.publicAnswer = json(peer.publicDocument());
    await says(peer, 'MetadataSynced', 'Succeeded');
    await endpointsBecome(peer, 1);
    expect(await isTrusted(cluster.client, peer.name)).toBe(true);
  }, 600_000);

  it('loses its services by the end of its private document, and keeps the trust by which a newer one is asked for', async () => {
    const peer = await cluster.peer('content');
    const content = peer.content();
    peer.server.privateAnswer = json(peer.federation(content, peer.nextSeq(), lifetimeSeconds));
    await meet(peer);
    await says(peer, 'MetadataSynced', 'StaleKeepingLastKnownGood', /private document ended \d+ s ago/);
    await says(peer, 'ServicesImported', 'Drained');
    await endpointsBecome(peer, 0);
    expect(await isTrusted(cluster.client, peer.name)).toBe(true);
    peer.server.privateAnswer = json(peer.federation(content));
    await says(peer, 'ServicesImported', 'Succeeded');
    await endpointsBecome(peer, 1);
  }, 600_000);

  it('stays trusted and imported, past the end of what was taken, while the newer documents it shows wait for approval of their key', async () => {
    const peer = await cluster.peer('approval');
    peer.server.publicAnswer = json(peer.publicDocument({ lifetimeSeconds }));
    peer.server.privateAnswer = json(peer.federation(peer.content(), peer.nextSeq(), lifetimeSeconds));
    await meet(peer);
    const changed = new Peer(peer.name, peer.server);
    changed.behave();
    await says(peer, 'TrustEstablished', 'KeyChangedPendingApproval');
    // What this one signed ends later: when trust in it is withdrawn, that in the other would be, too.
    const control = await cluster.peer('control');
    control.server.publicAnswer = json(control.publicDocument({ lifetimeSeconds: lifetimeSeconds + 10 }));
    await meet(control);
    await says(control, 'TrustEstablished', 'FailedClosed');
    await says(peer, 'MetadataSynced', 'KeyChangedPendingApproval', /goes on/);
    expect(await isTrusted(cluster.client, peer.name)).toBe(true);
    expect(await endpointsOf(peer)).toBe(1);
  }, 600_000);
});
