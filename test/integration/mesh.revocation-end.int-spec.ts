import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiObject } from '#kube';
import { names, trustSecretData, type TrustedPeer } from '#model';
import { buildCrl, generateCa, listsLeaveMs, parseCertificate, type CaFiles } from '#trust';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { createAll, namespace } from './mesh/cluster-objects.js';
import { startReplica, type Replica } from './mesh/mesh-under-test.js';

const hour = 3_600_000;
/** Our own Secret is looked at every ten seconds: by then a list is known, on a busy machine too. */
const knownMs = 40_000;
/** Nothing but its time moves a list; on a busy machine it is seen a little later. */
const lateMs = 20_000;
const caOf = (trustDomain: string, serial: number): CaFiles =>
  generateCa({ trustDomain, now: Date.now(), algorithm: 'ec', serial: Buffer.of(serial) });
const [ownCa, peerCa] = [caOf('test.example', 1), caOf('west.example', 2)];

function listOf(ca: CaFiles, nextUpdate: number, thisUpdate = nextUpdate - hour): string {
  const [issuer, key] = [parseCertificate(ca['ca-cert.pem']), createPrivateKey(ca['ca-key.pem'])];
  return buildCrl({ issuer, key, number: 1, thisUpdate, nextUpdate, revoked: [] });
}

function secret(inNamespace: string, name: string, data: Readonly<Record<string, string>>): ApiObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: inNamespace, name }, data } as ApiObject;
}

/** Our CA as an operator plugs it in, with this list or none. */
function caWith(list?: string): ApiObject {
  const files = Object.entries({ ...ownCa, ...(list === undefined ? {} : { 'ca-crl.pem': list }) });
  const encoded = files.map(([key, text]) => [key, Buffer.from(text).toString('base64')] as const);
  return secret('istio-system', names.pluggedInCaSecret, Object.fromEntries(encoded));
}

describe('revocation lists that begin and end while nothing else changes', () => {
  let api: ApiServer;
  let replica: Replica;

  beforeAll(async () => {
    api = await startApiServer();
    await createAll(api.client, ['istio-system', 'isthmus-system'].map(namespace));
  }, hookTimeoutMs);

  afterAll(async () => {
    await replica?.stop();
    await api?.stop();
  }, 30_000);

  /** Lists that proxies verify with: ours, then the peer's. */
  function inForce(): readonly (readonly string[])[] {
    const { crls = [], peers = [] } = replica.mesh.index.current?.model.trust ?? {};
    return [crls, ...peers.map((peer) => peer.crls)];
  }

  it('go half a minute before, ours as well as a peer’s', async () => {
    const peer: TrustedPeer = {
      ...{ kind: 'IstioFederation', name: 'west', clusterUUID: 'w', signed: true, legacyAPITokens: false, keys: [] },
      ...{ trustDomain: 'west.example', clusterDomain: 'west.example', scopes: [] },
      ...{ roots: [peerCa['root-cert.pem']], crls: [] },
    };
    const registryWith = (crls: readonly string[]): ApiObject =>
      secret('isthmus-system', names.trustSecret, trustSecretData({ version: 1, peers: [{ ...peer, crls }] }));
    await createAll(api.client, [caWith(), registryWith([])]);
    replica = await startReplica(api);
    const seen = (what: string, expected: readonly (readonly string[])[]): Promise<number> =>
      waitFor(what, () => (JSON.stringify(inForce()) === JSON.stringify(expected) ? Date.now() : undefined), {
        timeoutMs: 90_000,
      });
    await seen('the peer, without lists', [[], []]);
    // Counted from here, since a loaded machine takes its time to start all this. The one is seen to be gone before the other goes.
    const end = Math.floor(Date.now() / 1000) * 1000 + listsLeaveMs + knownMs;
    const later = end + lateMs + 10_000;
    const [own, theirs] = [listOf(ownCa, end), listOf(peerCa, later)];
    await createAll(api.client, [caWith(own), registryWith([theirs])]);
    await seen('both lists', [[own], [theirs]]);
    for (const [when, left] of [
      [end, [[], [theirs]]],
      [later, [[], []]],
    ] as const) {
      const at = await seen('lists to go', left);
      expect(at).toBeGreaterThanOrEqual(when - listsLeaveMs);
      expect(at).toBeLessThan(when - listsLeaveMs + lateMs);
    }
  }, 400_000);

  it('come into force when they become valid', async () => {
    // The list is known, and not valid, before it begins.
    const begin = Math.floor(Date.now() / 1000) * 1000 + knownMs;
    const list = listOf(ownCa, begin + hour, begin);
    await createAll(api.client, [caWith(list)]);
    const at = await waitFor('the list', () => (inForce()[0]?.[0] === list ? Date.now() : undefined), {
      timeoutMs: 90_000,
    });
    expect(at).toBeGreaterThanOrEqual(begin);
    expect(at).toBeLessThan(begin + lateMs);
  }, 150_000);
});
