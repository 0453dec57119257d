import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConfigMap, Secret, Service } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { names, wayOutRegistryIn } from '#model';
import { hookTimeoutMs, waitFor } from '../../harness/child.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { conditionOf } from './condition.js';
import type { Condition, Patience } from './condition.js';
import { gateway } from './peer.js';
import { json } from './peer-server.js';
import { remedy } from './rows.js';

/** Where a peer says that its gateway and its API server are, and why neither is used. */
interface Row {
  readonly name: string;
  readonly address: () => string;
  readonly why: RegExp;
}

let cluster: Cluster;
let controller: Controller;
let clusterIP: string;

const loopback = /loopback/;
const linkLocal = /link-local/;
const ours = /own API server/;
const leadingTo = (address: string): string => `at-${address.replaceAll('.', '-')}.invalid`;

const rows: readonly Row[] = [
  { name: 'loopback', address: () => '127.0.0.1', why: loopback },
  { name: 'localhost by name', address: () => 'localhost', why: loopback },
  { name: "the cloud's metadata", address: () => '169.254.169.254', why: linkLocal },
  { name: 'our API server, behind its Service', address: () => cluster.apiAddress, why: ours },
  { name: 'our API server, by its ClusterIP', address: () => clusterIP, why: ours },
  { name: 'a name that leads to our API server', address: () => leadingTo(cluster.apiAddress), why: ours },
  { name: 'a name that leads to its ClusterIP', address: () => leadingTo(clusterIP), why: ours },
  { name: 'a name that leads to loopback', address: () => leadingTo('127.0.0.9'), why: loopback },
];

const nameOf = (row: Row): string => `bad-${rows.indexOf(row)}`;

async function joins(name: string, address: string): Promise<void> {
  const peer = await cluster.peer(name);
  const content = { ingressGateways: [{ address, port: gateway.port }], apiHost: `${address}:6443`, networkName: name };
  peer.server.privateAnswer = json(peer.multicluster(content));
  await cluster.client.apply(peer.multiclusterResource(cluster.ca), { fieldManager: 'operator' });
}

function refusal(name: string, type: string, message: Patience['message'] = /./): Promise<Condition> {
  const path = pathFor(resources.istioMulticlusters, { name });
  return conditionOf(cluster, path, type, 'AddressRefused', { message, timeoutMs: 60_000 });
}

/** Gateways as proxies are told of them: both keys of the mesh's ConfigMap, as text. */
async function toldToProxies(): Promise<string> {
  const path = pathFor(resources.configMaps, { namespace: 'istio-system', name: names.meshConfigMap });
  const { data = {} } = (await cluster.client.get<ConfigMap & ApiObject>(path)) ?? {};
  return `${data['meshNetworks'] ?? ''} ${data[names.clusterGatewaysKey] ?? ''}`;
}

/** Peers whose API servers the way out may ask, with their `apiHost`. */
async function toldToWayOut(): Promise<Readonly<Record<string, string>>> {
  const path = pathFor(resources.secrets, { namespace: releaseNamespace, name: names.wayOutSecret });
  const registry = wayOutRegistryIn((await cluster.client.get<Secret & ApiObject>(path))?.data);
  return Object.fromEntries((registry?.peers ?? []).map(({ name, apiHost }) => [name, apiHost]));
}

beforeAll(async () => {
  cluster = await Cluster.start({ multicluster: { enabled: true, apiHost: 'api.east.example:6443' } });
  const own = await cluster.client.get<Service & ApiObject>(
    pathFor(resources.services, { namespace: 'default', name: 'kubernetes' }),
  );
  clusterIP = own?.spec?.clusterIP ?? '';
  controller = await cluster.controller('controller-1');
  for (const row of rows) await joins(nameOf(row), row.address());
  // The last one: where it is told of, those before it were judged too.
  await joins('good', gateway.address);
  await waitFor(
    'the good peer to be told to proxies and the way out',
    async () =>
      (await toldToProxies()).includes(gateway.address) && (await toldToWayOut())['good'] !== undefined
        ? true
        : undefined,
    { timeoutMs: 120_000, everyMs: 200, logFile: controller.logFile },
  );
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('a multicluster peer that names a gateway and an apiHost where no peer can be', () => {
  it('has the ClusterIP of the API server to name', () => {
    expect(clusterIP).toMatch(/^10\.96\./);
    expect(cluster.apiAddress).not.toBe(clusterIP);
  });

  it.each(rows.map((row) => [row.name, row] as const))(
    '%s: is told both, with what to do; nobody is led there',
    async (_name, row) => {
      const name = nameOf(row);
      for (const type of ['ApiAccessible', 'GatewaysReachable', 'RegistrySynced'])
        expect(await refusal(name, type)).toMatchObject({ status: 'False' });
      for (const type of ['ApiAccessible', 'GatewaysReachable']) {
        const { message } = await refusal(name, type, row.why);
        expect(message).toContain(row.address());
        expect(message).toMatch(remedy);
      }
      expect(await toldToProxies()).not.toContain(row.address());
      expect(Object.keys(await toldToWayOut())).not.toContain(name);
    },
    180_000,
  );

  it('keeps nobody from the good one: its gateway and its apiHost are told, they alone', async () => {
    expect(await toldToWayOut()).toEqual({ good: `${gateway.address}:6443` });
    const addresses = (await toldToProxies()).match(/"?address"?: ?"?[^"\s,]+/g) ?? [];
    expect([...new Set(addresses.map((each) => each.split(/: ?"?/)[1]))]).toEqual([gateway.address]);
    expect(controller.alive()).toBe(true);
  });
});
