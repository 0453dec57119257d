import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TrustedPeer } from '#model';
import { buildCrl, type WorkloadCa } from '#trust';
import type { MeshModel } from '#xds';
import { sharingFrom } from '../../apps/mesh/src/index/sharing.js';
import { model, ownDomain } from '../../libs/xds/src/model.fixture.js';
import { waitFor } from '../harness/child.js';
import { caFor, type Identity, identityFor } from './xds/identities.js';
import { InboundProxy, inboundIdentity } from './xds/inbound-proxy.js';

const hour = 3_600_000;
const ownCa = caFor(ownDomain);
/** Of a peer that shares our trust domain and has roots of its own. */
const sharingCa = caFor(ownDomain);
const own = identityFor(ownCa, `spiffe://${ownDomain}/ns/demo/sa/client`);
const revoked = identityFor(ownCa, `spiffe://${ownDomain}/ns/demo/sa/lost`);
const theirs = identityFor(sharingCa, `spiffe://${ownDomain}/ns/demo/sa/client`);

function listOf({ certificate, key }: WorkloadCa, ...identities: readonly Identity[]): string {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const serials = identities.map(({ chain }) => Buffer.from(new X509Certificate(chain).serialNumber, 'hex'));
  return buildCrl({
    ...{ issuer: certificate, key, number: 1, thisUpdate: now - hour, nextUpdate: now + hour },
    revoked: serials.map((serial) => ({ serial, at: now - hour })),
  });
}

/** What the mesh core makes of these lists. */
function meshOf(crls: readonly string[], theirCrls: readonly string[]): Pick<MeshModel, 'trust'> {
  const peer: TrustedPeer = {
    ...{ kind: 'IstioMulticluster', name: 'b', clusterUUID: 'b', trustDomain: ownDomain, clusterDomain: 'cluster.b' },
    ...{ roots: sharingCa.roots, crls: theirCrls, keys: [], signed: true, scopes: [], legacyAPITokens: false },
  };
  const { cluster } = model;
  const facts = { cluster, label: 'public', services: [], crowd: [], federations: [], roots: ownCa.roots, crls };
  return { trust: sharingFrom({ ...facts, registry: { version: 1, peers: [peer] } }).trust };
}

describe('revocation where a peer shares our trust domain', () => {
  let proxy: InboundProxy;

  beforeAll(async () => {
    proxy = await InboundProxy.start(identityFor(ownCa, inboundIdentity), meshOf([], []));
  }, 120_000);

  afterAll(async () => proxy?.stop());

  /** Who gets through: one of ours, a revoked one of ours, one of the peer's. */
  async function entering(): Promise<string> {
    const answers = await Promise.all([own, revoked, theirs].map((caller) => proxy.reached(caller)));
    return ['own', 'revoked', 'theirs'].filter((_name, index) => answers[index]).join();
  }

  async function enter(expected: string): Promise<void> {
    const entered = async (): Promise<true | undefined> => ((await entering()) === expected ? true : undefined);
    await waitFor(`${expected} to enter`, entered, { timeoutMs: 25_000 });
  }

  const [ownList, theirList] = [listOf(ownCa, revoked), listOf(sharingCa)];

  it('is checked where each member gave its lists; calls go on while only one did', async () => {
    await enter('own,revoked,theirs');
    proxy.serve(meshOf([ownList], [theirList]));
    await enter('own,theirs');
    proxy.serve(meshOf([], [theirList]));
    await enter('own,revoked,theirs');
    proxy.serve(meshOf([ownList], [theirList]));
    await enter('own,theirs');
    proxy.serve(meshOf([ownList], []));
    await enter('own,revoked,theirs');
    expect(proxy.refusals).toEqual([]);
  }, 150_000);
});
