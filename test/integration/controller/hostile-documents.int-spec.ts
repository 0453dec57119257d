import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServiceEntry } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { waitFor } from '../../harness/child.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { Cluster } from './cluster.js';
import type { Controller } from './cluster.js';
import { gateway, Peer } from './peer.js';
import { PeerServer } from './peer-server.js';
import { rows } from './rows.js';
import type { Row } from './rows.js';

const mostMemory = 640;
const importsNamespace = 'isthmus-imports';

type Entry = ServiceEntry & ApiObject;

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

let cluster: Cluster;
let controller: Controller;
let good: Peer;
let ca: string;
const peers = new Map<Row, Peer>();
const servers: PeerServer[] = [];
/** What stood before any peer turned hostile, by host. */
let before: ReadonlyMap<string, Entry>;

async function newPeer(name: string): Promise<Peer> {
  const server = await PeerServer.start(join(cluster.directory, 'tls'));
  servers.push(server);
  const peer = new Peer(name, server);
  peer.behave();
  return peer;
}

async function entries(): Promise<ReadonlyMap<string, Entry>> {
  const all = await cluster.client.list<Entry>(pathFor(resources.serviceEntries, { namespace: importsNamespace }));
  return new Map(all.map((entry) => [entry.spec?.hosts[0] ?? '', entry]));
}

async function conditions(name: string): Promise<ReadonlyMap<string, Condition>> {
  const path = pathFor(resources.istioFederations, { name });
  const found = await cluster.client.get<ApiObject & { status?: { conditions?: readonly Condition[] } }>(path);
  return new Map((found?.status?.conditions ?? []).map((condition) => [condition.type, condition]));
}

/** The good peer offers one port more, by number; the entry shows it within five seconds. */
let nextPort = 1000;
async function goodPeerSyncs(): Promise<void> {
  const port = (nextPort += 1);
  const news = { hostname: good.host('news'), ports: [{ name: 'http', port }] };
  good.publish(good.federation(good.content({ offers: [news] })));
  await waitFor(
    `port ${port} of the good peer's news`,
    async () => ((await entries()).get(good.host('news'))?.spec?.ports?.[0]?.number === port ? true : undefined),
    { timeoutMs: 5_000, everyMs: 50 },
  );
}

/** Hosts that may stand here, whatever anybody offers. */
function rightfulHosts(): ReadonlySet<string> {
  const added = [...peers].flatMap(([row, peer]) => (row.adds ?? []).map((service) => peer.host(service)));
  return new Set([...before.keys(), ...added]);
}

function identityOf(entry: Entry | undefined): object {
  return { uid: entry?.metadata?.uid, resourceVersion: entry?.metadata?.resourceVersion };
}

beforeAll(async () => {
  cluster = await Cluster.start();
  ca = await writeServingCertificate(join(cluster.directory, 'tls'));
  controller = await cluster.controller('controller-1');
  good = await newPeer('good');
  good.stream(
    good.federation(good.content({ offers: [{ hostname: good.host('news'), ports: [{ name: 'http', port: 1000 }] }] })),
  );
  for (const [index, row] of rows.entries()) {
    const peer = await newPeer(`peer-${index}`);
    if (row.streams === true) peer.stream(peer.federation(peer.content()));
    peers.set(row, peer);
  }
  await Promise.all(
    [good, ...peers.values()].map((peer) =>
      cluster.client.apply(peer.resource(ca) as ApiObject, { fieldManager: 'operator' }),
    ),
  );
  const wanted = [good.host('news'), good.echo, ...[...peers.values()].map(({ echo }) => echo)];
  before = await waitFor(
    'the ServiceEntries of all peers with their addresses',
    async () => {
      const found = await entries();
      const missing = wanted.filter((host) => found.get(host)?.status?.addresses === undefined);
      if (missing.length > 0) throw new Error(`${missing.length} are missing, such as ${missing[0]}`);
      return found;
    },
    { timeoutMs: 60_000, everyMs: 200, logFile: controller.logFile },
  );
  for (const [row, peer] of peers) row.turn(peer, { good, cluster });
}, 120_000);

afterAll(async () => {
  for (const server of servers) server.stop();
  await controller?.stop();
  await cluster?.stop();
}, 30_000);

describe('a peer that turns hostile', () => {
  it('keeps nobody from the good peer, from the first moment on', async () => {
    for (let round = 0; round < 3; round += 1) await goodPeerSyncs();
  }, 20_000);

  it.each(rows.map((row) => [row.name, row] as const))(
    '%s',
    async (_name, row) => {
      const peer = peers.get(row)!;
      const said = await waitFor(
        `${row.type} of ${peer.name} to say ${row.reason}`,
        async () => {
          const found = (await conditions(peer.name)).get(row.type);
          if (found?.reason === row.reason) return found;
          throw new Error(`${found?.status}/${found?.reason}: ${found?.message}`);
        },
        { timeoutMs: 30_000, everyMs: 100 },
      );
      expect(said).toMatchObject({ status: 'False', message: expect.stringMatching(row.message) });

      const now = await entries();
      expect(now.get(peer.echo)?.metadata?.uid).toBe(before.get(peer.echo)?.metadata?.uid);
      expect(now.get(peer.echo)?.spec?.endpoints?.map(({ address }) => address)).toEqual([gateway.address]);
      const rightful = rightfulHosts();
      expect([...now.keys()].filter((host) => !rightful.has(host))).toEqual([]);
      await goodPeerSyncs();
      expect(identityOf((await entries()).get(good.echo))).toEqual(identityOf(before.get(good.echo)));
      expect(controller.alive()).toBe(true);
      expect(controller.memory().peak).toBeLessThan(mostMemory);
    },
    45_000,
  );
});
