import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'yaml';
import type { Pod } from '#istio-api';
import { call } from '../../demo/scene.js';
import type { Condition } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { readyPod } from '../../lab/index.js';
import type { ApiObject, LabCluster } from '../../lab/index.js';
import { caseLimitMs } from '../limits.js';
import { unusedGrants } from '../rbac/grants.js';
import {
  askedOfWest,
  askIstiod,
  istiodLog,
  meshConfig,
  meshNetworks,
  operatorsMesh,
  operatorsNetworks,
  secretEvents,
  startStock,
  trustedDomains,
} from './istiod.js';
import type { Stock } from './istiod.js';

const echo = 'http://echo.demo/';
const secretPath = '/api/v1/namespaces/istio-system/secrets/istio-remote-secret-west';
let stock: Stock & { readonly north: LabCluster };

jest.setTimeout(caseLimitMs);

interface Multicluster extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly peer?: { readonly keys?: readonly { readonly kid: string; readonly state: string }[] };
  };
}

interface RemoteCluster {
  readonly id: string;
  readonly secretName?: string;
  readonly syncStatus: string;
}

beforeAll(async () => {
  stock = (await startStock('multicluster')) as typeof stock;
});

afterAll(async () => {
  await stock?.lab.stop();
});

function resourceIn(cluster: LabCluster, peer: LabCluster): Promise<Multicluster | undefined> {
  return cluster.api.get<Multicluster>(`/apis/isthmus.dev/v1alpha1/istiomulticlusters/${peer.name}`);
}

async function conditionsOf(cluster: LabCluster, peer: LabCluster): Promise<Readonly<Record<string, string>>> {
  const conditions = (await resourceIn(cluster, peer))?.status?.conditions ?? [];
  return Object.fromEntries(conditions.map(({ type, status }) => [type, status]));
}

async function clusters(): Promise<readonly RemoteCluster[]> {
  return JSON.parse(await askIstiod(stock, '/debug/clusterz')) as readonly RemoteCluster[];
}

/** Clusters that istiod reads by a Secret. */
async function remotes(): Promise<readonly RemoteCluster[]> {
  return (await clusters()).filter(({ secretName }) => secretName !== undefined && secretName !== '');
}

/** Somebody was too slow. */
const late = /i\/o timeout|deadline exceeded|handshake timeout|did not answer in time/;
/** Somebody was not there yet, or was too slow: no answer to what was asked. */
const passing = new RegExp(
  `${late.source}|dial tcp|connection (?:refused|reset)|\\bEOF\\b|Timeout|Unreachable|cannot be reached|no such peer|ask again`,
);

/** Errors in a part of istiod's log that name a peer, but for such as may be. */
async function complaints(log: string, mayBe: RegExp): Promise<readonly string[]> {
  const ids = (await remotes()).map(({ id }) => id);
  expect(ids).toHaveLength(2);
  const errors = log.split('\n').filter((line) => line.includes('error') && !mayBe.test(line));
  return errors.filter((line) => ids.some((id) => line.includes(id)));
}

/** Trust domains that east's operator has istiod expect of remote endpoints. */
function aliases(): readonly string[] {
  return [stock.west, stock.north].map(({ plan }) => plan.trustDomain);
}

async function rootOf(cluster: LabCluster): Promise<string | undefined> {
  const path = '/api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert';
  const map = await cluster.api.get<ApiObject & { readonly data: Readonly<Record<string, string>> }>(path);
  return map?.data['root-cert.pem']?.trim();
}

async function scaleEcho(cluster: LabCluster, replicas: number): Promise<void> {
  await cluster.api.patch('/apis/apps/v1/namespaces/demo/deployments/echo', { spec: { replicas } });
}

/** Where Envoy beside east's client would call the echo service, `address:port`. */
async function endpoints(): Promise<readonly string[]> {
  const command = ['curl', '-s', 'localhost:15000/clusters'];
  const { stdout } = await stock.lab.exec(stock.east.name, 'demo', 'client', command);
  const lines = stdout.matchAll(/^outbound\|80\|\|echo\.demo\.svc\.cluster\.local::([\d.]+:\d+)::cx_total/gm);
  return [...lines].map(([, address = '']) => address);
}

/** Pods of west, which has the upper half of the pod range that it shares with east. */
function isInWest(address: string): boolean {
  const [first, second, third] = address.split('.').map(Number);
  return first === 10 && second === 244 && Number(third) >= 128;
}

/** The echo pods of these clusters, and what else is named; no other. */
async function endpointsAre(clusters: readonly LabCluster[], ...more: readonly string[]): Promise<void> {
  await eventually(
    `endpoints in ${clusters.map(({ name }) => name).join(', ')} ${more.join(', ')}`,
    patienceMs,
    async () => {
      const wanted = [...(await Promise.all(clusters.map(echoIn))), ...more].toSorted().join(', ');
      const found = (await endpoints()).toSorted().join(', ');
      if (found === wanted) return true;
      throw new Error(`there are ${found || 'none'}, not ${wanted}`);
    },
    200,
  );
}

/** Where the one echo pod of a cluster listens. */
async function echoIn(cluster: LabCluster): Promise<string> {
  const name = await readyPod(cluster, 'demo', 'echo');
  const pod = await cluster.api.get<Pod & ApiObject>(`/api/v1/namespaces/demo/pods/${name}`);
  return `${pod?.status?.podIP}:8080`;
}

async function endpointsBecome(count: number): Promise<void> {
  await eventually(
    `${count} endpoints of west`,
    patienceMs,
    async () => {
      const found = (await endpoints()).filter(isInWest);
      if (found.length === count) return true;
      throw new Error(`there are ${found.join(', ') || 'none'}`);
    },
    200,
  );
}

/** What Envoy beside a cluster's client knows of the echo service's endpoints: counts that are not 0, health, weight and priority. */
async function endpointsKnownTo(cluster: LabCluster): Promise<string> {
  const { stdout } = await stock.lab.exec(cluster.name, 'demo', 'client', ['curl', '-s', 'localhost:15000/clusters']);
  return [...stdout.matchAll(/^outbound\|80\|\|echo\.demo\.svc\.cluster\.local::([\d.]+:\d+::\w+::.*)$/gm)]
    .map(([, line = '']) => line)
    .filter((line) => !/::(?:0|false|-1|)$/.test(line))
    .join('\n');
}

async function answeredBy(caller: LabCluster, by: LabCluster): Promise<object> {
  return eventually(`an answer by ${by.name}`, patienceMs, async () => {
    const { ok, body, status, error } = await call(stock.lab, caller, 'call-http', echo);
    if (ok && (body as { cluster?: string }).cluster === by.name) return body as object;
    throw new Error(`${status ?? error}: ${JSON.stringify(body)}\n${await endpointsKnownTo(caller)}`);
  });
}

/** kid of the key with which `peer` signs, as `cluster` knows it; undefined while there are two. */
async function keyOf(cluster: LabCluster, peer: LabCluster): Promise<string | undefined> {
  const keys = (await resourceIn(cluster, peer))?.status?.peer?.keys ?? [];
  return keys.length === 1 && keys[0]?.state === 'Trusted' ? keys[0].kid : undefined;
}

async function rotate(cluster: LabCluster, seenBy: LabCluster): Promise<void> {
  const before = await keyOf(seenBy, cluster);
  await cluster.api.patch('/api/v1/namespaces/isthmus-system/configmaps/isthmus-cluster', {
    metadata: { annotations: { 'isthmus.dev/rotate-signing-key': `e2e-${Date.now()}` } },
  });
  await eventually(
    `${cluster.name}’s new key alone`,
    patienceMs,
    async () => {
      const key = await keyOf(seenBy, cluster);
      return key !== undefined && key !== before ? true : undefined;
    },
    200,
  );
}

describe('east’s own istiod in place of our mesh core', () => {
  it('has its peers synced through both proxies, by the Secrets that the controller wrote', async () => {
    // Peers are Ready before istiod has read them.
    await eventually('istiod to have read them', patienceMs, async () => {
      const remote = await remotes();
      expect(remote.map(({ secretName, syncStatus }) => [secretName, syncStatus]).toSorted()).toEqual([
        ['istio-system/istio-remote-secret-north', 'synced'],
        ['istio-system/istio-remote-secret-west', 'synced'],
      ]);
      const shards = await askIstiod(stock, '/debug/endpointShardz');
      for (const { id } of remote) expect(shards).toContain(id);
      return true;
    });
  });

  it('repeats no complaint about what the door does not give', async () => {
    expect(await complaints(await istiodLog(stock), passing)).toEqual([]);
  });

  it('is told of its peers’ roots beside what the operator wrote, and TrustUnscoped says what that means', async () => {
    const text = await meshConfig(stock);
    expect(text.startsWith(operatorsMesh(stock.east, aliases()))).toBe(true);
    const { caCertificates = [] } = parse(text) as {
      caCertificates?: readonly { pem: string; trustDomains: unknown }[];
    };
    const told = caCertificates.map(({ pem, trustDomains }) => [pem.trim(), trustDomains]);
    expect(told).toHaveLength(2);
    expect(told).toEqual(
      expect.arrayContaining([
        [await rootOf(stock.west), ['west.example']],
        [await rootOf(stock.north), ['north.example']],
      ]),
    );
    for (const peer of [stock.west, stock.north])
      await eventually(`all conditions of ${peer.name}`, patienceMs, async () => {
        expect(await conditionsOf(stock.east, peer)).toEqual({
          Ready: 'True',
          TrustEstablished: 'True',
          MetadataSynced: 'True',
          ApiAccessible: 'True',
          GatewaysReachable: 'True',
          TrustUnscoped: 'True',
        });
        return true;
      });
    expect(await conditionsOf(stock.west, stock.east)).not.toHaveProperty('TrustUnscoped');
  });

  it('certified east’s signing key: west trusts the root of east’s operator', async () => {
    expect(await rootOf(stock.east)).toBe(stock.eastRoot.trim());
    expect(await keyOf(stock.west, stock.east)).toBeDefined();
  });

  it('gives a sidecar west’s endpoint; calls go both ways with the caller’s identity intact', async () => {
    await endpointsBecome(1);
    await scaleEcho(stock.east, 0);
    expect(JSON.stringify(await answeredBy(stock.east, stock.west))).toContain(
      'URI=spiffe://east.example/ns/demo/sa/client',
    );
    await scaleEcho(stock.east, 1);
    await scaleEcho(stock.west, 0);
    expect(JSON.stringify(await answeredBy(stock.west, stock.east))).toContain(
      'URI=spiffe://west.example/ns/demo/sa/client',
    );
    await scaleEcho(stock.west, 1);
    await endpointsBecome(1);
  });

  it('gives a sidecar the gateway of the cluster on another network in place of its pods; calls go both ways through the gateways', async () => {
    const { east, west, north } = stock;
    await endpointsAre([east, west], `${north.plan.gatewayAddress}:15443`);
    expect(JSON.stringify(await answeredBy(east, north))).toContain('URI=spiffe://east.example/ns/demo/sa/client');
    // East's gateway is its istiod's, and leads to all pods on its network, west's too: a connection stays with the pod that it came to.
    await Promise.all([scaleEcho(north, 0), scaleEcho(west, 0)]);
    expect(JSON.stringify(await answeredBy(north, east))).toContain('URI=spiffe://north.example/ns/demo/sa/client');
    await Promise.all([scaleEcho(north, 1), scaleEcho(west, 1)]);
    await endpointsAre([east, west], `${north.plan.gatewayAddress}:15443`);
  });
});

describe('signing keys of east and west rotated', () => {
  it('istiod neither drops nor reads the cluster anew, and a change in west still arrives', async () => {
    const { east, west } = stock;
    const secret = await east.api.get(secretPath);
    const log = (await istiodLog(stock)).length;
    const asked = askedOfWest(stock).length;
    expect(await secretEvents(stock)).toEqual(['remote_cluster_secret_events_total{event="add"} 2']);
    await Promise.all([rotate(west, east), rotate(east, west)]);
    // Watches ended in order with the key that they began under, and went on from where they were: nothing was listed again.
    const listedAnew = (): readonly string[] =>
      askedOfWest(stock)
        .slice(asked)
        .filter((uri) => !/[?&]resourceVersion=[1-9]/.test(uri) || uri.includes('sendInitialEvents'));
    await eventually('watches that go on', patienceMs, () => {
      const since = askedOfWest(stock).slice(asked);
      return Promise.resolve(since.some((uri) => uri.includes('/endpointslices?')) ? true : undefined);
    });
    expect(listedAnew()).toEqual([]);
    await scaleEcho(west, 2);
    await endpointsBecome(2);
    // Other kinds may be asked for later than endpoints are.
    expect(listedAnew()).toEqual([]);
    expect(await east.api.get(secretPath)).toEqual(secret);
    expect(await secretEvents(stock)).toEqual(['remote_cluster_secret_events_total{event="add"} 2']);
    const since = (await istiodLog(stock)).slice(log);
    expect(since.split('\n').filter((line) => /(Add|Updat|Delet)\w* cluster/.test(line))).toEqual([]);
    // What is cut in disorder, or asked for where the way out has lost the peer, would be told here.
    expect(await complaints(since, late)).toEqual([]);
    expect((await clusters()).filter(({ syncStatus }) => syncStatus !== 'synced')).toEqual([]);
  });
});

describe('the end', () => {
  it('un-trusting takes a peer’s root, Secret and endpoints away, and leaves what the operator wrote', async () => {
    const { east, west, north } = stock;
    const untrust = (peer: LabCluster): Promise<unknown> =>
      east.api.delete(`/apis/isthmus.dev/v1alpha1/istiomulticlusters/${peer.name}`);
    await untrust(west);
    await eventually('west’s root to go alone', patienceMs, async () =>
      (await trustedDomains(stock)).join() === north.plan.trustDomain ? true : undefined,
    );
    await endpointsBecome(0);
    expect(await east.api.get(secretPath)).toBeUndefined();
    await answeredBy(east, north);
    await untrust(north);
    await eventually('all that was written to go', patienceMs, async () =>
      (await meshConfig(stock)) === operatorsMesh(east, aliases()) && (await meshNetworks(stock)) === operatorsNetworks
        ? true
        : undefined,
    );
    await endpointsAre([east]);
  });

  it('sidecars under istiod no longer let west in', async () => {
    const { lab, east, west, north } = stock;
    await Promise.all([scaleEcho(west, 0), scaleEcho(north, 0)]);
    const refused = await eventually('a refusal', patienceMs, async () => {
      const { ok, body } = await call(lab, west, 'call-http', echo);
      return ok || JSON.stringify(body).includes('no healthy upstream') ? undefined : JSON.stringify(body);
    });
    expect(refused).toContain('upstream connect error');
    const { stdout } = await lab.exec(east.name, 'demo', 'echo', ['curl', '-s', 'localhost:15000/certs']);
    expect(stdout).toContain('spiffe://east.example/ns/demo/sa/echo');
    expect(stdout).not.toContain('west.example');
  });

  it('the chart’s rights are enough', async () => {
    expect((await unusedGrants(stock.lab, stock.east)).forbidden).toEqual([]);
  });
});
