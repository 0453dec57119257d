import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { pathFor, resources } from '#kube';
import { freePort, hookTimeoutMs } from '../../harness/child.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import { statusWith } from './condition.js';
import type { Peer } from './peer.js';

const wrongPins = { roots: [`sha256:${'0'.repeat(64)}`] };

let cluster: Cluster;
/** Vouches for no peer. */
let otherCa: string;

/** Status once it says this of trust. */
function trustIs(peer: Peer, reason: string): Promise<PeerStatus> {
  return statusWith(cluster, peer, 'TrustEstablished', reason, { timeoutMs: 60_000 });
}

async function isRemembered({ name }: Peer): Promise<boolean> {
  const secret = { namespace: releaseNamespace, name: `isthmus-peer-federation-${name}` };
  return (await cluster.client.get(pathFor(resources.secrets, secret))) !== undefined;
}

beforeAll(async () => {
  cluster = await Cluster.start();
  otherCa = await writeServingCertificate(join(cluster.directory, 'other'));
  await cluster.firstController('controller-1');
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('what was heard before the operator changed how the peer is to be known', () => {
  it('unverified is not taken for verified once metadata.ca is set', async () => {
    const peer = await cluster.peer('unverified');
    await cluster.applyResource(peer, { metadata: { insecureSkipVerify: true }, pins: wrongPins });
    await trustIs(peer, 'PinMismatch');
    await cluster.applyResource(peer, { metadata: { ca: otherCa } });
    expect((await trustIs(peer, 'TLSVerifyFailed')).peer).toBeUndefined();
    expect(await isRemembered(peer)).toBe(false);
  }, 180_000);

  it('elsewhere is not taken for what metadataEndpoint names now', async () => {
    const peer = await cluster.peer('elsewhere');
    await cluster.applyResource(peer, { metadata: { insecureSkipVerify: true }, pins: wrongPins });
    await trustIs(peer, 'PinMismatch');
    const metadataEndpoint = `https://127.0.0.1:${await freePort()}/metadata`;
    await cluster.applyResource(peer, { metadata: { insecureSkipVerify: true }, metadataEndpoint });
    expect((await trustIs(peer, 'Unreachable')).peer).toBeUndefined();
    expect(await isRemembered(peer)).toBe(false);
  }, 180_000);

  it('is heard anew where the new settings hold', async () => {
    const peer = await cluster.peer('again');
    await cluster.applyResource(peer, { metadata: { insecureSkipVerify: true }, pins: wrongPins });
    await trustIs(peer, 'PinMismatch');
    await cluster.applyResource(peer, { metadata: { insecureSkipVerify: true } });
    expect((await trustIs(peer, 'BlindFirstContact')).peer?.clusterUUID).toBe(peer.clusterUUID);
  }, 180_000);
});
