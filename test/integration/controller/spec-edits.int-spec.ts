import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { freePort, waitFor } from '../../harness/child.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { Peer } from './peer.js';
import { PeerServer } from './peer-server.js';

const wrongPins = { roots: [`sha256:${'0'.repeat(64)}`] };

let cluster: Cluster;
let controller: Controller;
let otherCa: string;
const servers: PeerServer[] = [];

/** A peer that answers under a certificate which no authority vouches for. */
async function newPeer(name: string): Promise<Peer> {
  const server = await PeerServer.start(join(cluster.directory, 'tls'));
  servers.push(server);
  const peer = new Peer(name, server);
  peer.behave();
  return peer;
}

/** The operator's own fields are these and no others. */
async function applySpec({ name, trustDomain, server }: Peer, spec: object): Promise<void> {
  const { kind, apiVersion } = { kind: 'IstioFederation', apiVersion: 'isthmus.dev/v1alpha1' };
  const whole = { trustDomain, metadataEndpoint: server.endpoint, ...spec };
  const object: ApiObject = { apiVersion, kind, metadata: { name }, ...{ spec: whole } };
  await cluster.client.apply(object, { fieldManager: 'operator' });
}

function statusWith(peer: Peer, reason: string): Promise<PeerStatus> {
  return waitFor(
    `TrustEstablished of ${peer.name} to say ${reason}`,
    async () => {
      const path = pathFor(resources.istioFederations, { name: peer.name });
      const { status } = (await cluster.client.get<ApiObject & { status?: PeerStatus }>(path)) ?? {};
      const found = status?.conditions?.find(({ type }) => type === 'TrustEstablished');
      if (status !== undefined && found?.reason === reason) return status;
      throw new Error(`${found?.status}/${found?.reason}: ${found?.message}`);
    },
    { timeoutMs: 20_000, everyMs: 50, logFile: controller.logFile },
  );
}

async function isRemembered({ name }: Peer): Promise<boolean> {
  const secret = { namespace: releaseNamespace, name: `isthmus-peer-federation-${name}` };
  return (await cluster.client.get(pathFor(resources.secrets, secret))) !== undefined;
}

beforeAll(async () => {
  cluster = await Cluster.start();
  await writeServingCertificate(join(cluster.directory, 'tls'));
  otherCa = await writeServingCertificate(join(cluster.directory, 'other'));
  controller = await cluster.controller('controller-1');
}, 150_000);

afterAll(async () => {
  for (const server of servers) server.stop();
  await controller?.stop();
  await cluster?.stop();
}, 30_000);

describe('what was heard before the operator changed how the peer is to be known', () => {
  it('unverified is not taken for verified once metadata.ca is set', async () => {
    const peer = await newPeer('unverified');
    await applySpec(peer, { metadata: { insecureSkipVerify: true }, pins: wrongPins });
    await statusWith(peer, 'PinMismatch');
    await applySpec(peer, { metadata: { ca: otherCa } });
    expect((await statusWith(peer, 'TLSVerifyFailed')).peer).toBeUndefined();
    expect(await isRemembered(peer)).toBe(false);
  }, 60_000);

  it('elsewhere is not taken for what metadataEndpoint names now', async () => {
    const peer = await newPeer('elsewhere');
    await applySpec(peer, { metadata: { insecureSkipVerify: true }, pins: wrongPins });
    await statusWith(peer, 'PinMismatch');
    const metadataEndpoint = `https://127.0.0.1:${await freePort()}/metadata`;
    await applySpec(peer, { metadata: { insecureSkipVerify: true }, metadataEndpoint });
    expect((await statusWith(peer, 'Unreachable')).peer).toBeUndefined();
    expect(await isRemembered(peer)).toBe(false);
  }, 60_000);

  it('is heard anew where the new settings hold', async () => {
    const peer = await newPeer('again');
    await applySpec(peer, { metadata: { insecureSkipVerify: true }, pins: wrongPins });
    await statusWith(peer, 'PinMismatch');
    await applySpec(peer, { metadata: { insecureSkipVerify: true } });
    expect((await statusWith(peer, 'BlindFirstContact')).peer?.clusterUUID).toBe(peer.clusterUUID);
  }, 60_000);
});
