import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { prepareCluster, startController } from '../harness/controller.js';
import type { RunningController } from '../harness/controller.js';
import { startSimulatedPeers } from '../harness/simulated-peers/index.js';
import type { ReadyPeer, SimulatedPeers } from '../harness/simulated-peers/index.js';
import { figuresOf, round, table } from './figures.js';
import type { Figures } from './figures.js';
import { ImportWatch } from './import-watch.js';
import { usageOf } from './process-usage.js';
import type { Usage } from './process-usage.js';
import { stoppedLater, withStops } from './stops.js';
import type { Stops } from './stops.js';

export interface PeersWish {
  readonly peers: number;
  readonly services: number;
  readonly changes: number;
  readonly seconds: number;
  /** Folder for a CPU profile of the controller. */
  readonly cpuProfile: string | undefined;
  readonly say: (line: string) => void;
}

export interface PeersResult {
  readonly peers: number;
  readonly services: number;
  readonly coldSyncSeconds: number;
  readonly quiet: Usage;
  readonly churn: Usage & { readonly changesPerSecond: number };
  /** From a peer's change to the ServiceEntry's, ms: each after the one before was through, and while others were under way. */
  readonly delay: { readonly alone: Figures; readonly churn: Figures };
  /** Publication passes while the changes came one by one, and under churn. */
  readonly passes: { readonly alone: Passes; readonly churn: Passes };
}

interface Passes {
  readonly count: number;
  readonly meanMs: number;
}

const changesPerSecond = 2;
const firstPort = 10_000;

/** The parts of one run. */
interface Stage {
  readonly server: ApiServer;
  readonly simulated: SimulatedPeers;
  readonly imports: ImportWatch;
  readonly controller: RunningController;
  readonly wish: PeersWish;
  changes: number;
}

/** Simulated peers on one controller and a real API server: cold sync, CPU and memory, and how long a change takes. */
export function benchPeers(wish: PeersWish): Promise<PeersResult> {
  return withStops((stops) => run(wish, stops));
}

async function run(wish: PeersWish, stops: Stops): Promise<PeersResult> {
  const { peers, services, say } = wish;
  say(`starting an API server and ${peers} peers with ${services} services each`);
  const server = await stoppedLater(stops, startApiServer());
  const cluster = await prepareCluster(server);
  const reader = { clusterUUID: cluster.clusterUUID, trustDomain: cluster.trustDomain, publicPem: cluster.publicPem };
  const simulated = await stoppedLater(stops, startSimulatedPeers({ peers, services, reader }));
  for (const peer of simulated.peers) await server.client.create(federationFor(peer));
  const imports = new ImportWatch(server.client);
  stops.push(() => imports.stop());
  await imports.start();
  say('starting the controller');
  const began = performance.now();
  const flags = wish.cpuProfile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${wish.cpuProfile}`];
  const controller = await stoppedLater(stops, startController(server, cluster, flags));
  await imports.all(peers * services, say, () => unready(server, controller.logFile));
  const coldSyncSeconds = round((performance.now() - began) / 1000);
  say(`cold sync: ${coldSyncSeconds} s`);
  const figures = await measure({ server, simulated, imports, controller, wish, changes: 0 });
  const result = { peers, services, coldSyncSeconds, ...figures };
  say(tables(result));
  return result;
}

type Measured = Pick<PeersResult, 'quiet' | 'churn' | 'delay' | 'passes'>;

async function measure(stage: Stage): Promise<Measured> {
  const { wish, controller } = stage;
  await settled(stage);
  wish.say(`nothing changes for ${wish.seconds} s`);
  const quiet = await usageOf(controller.pid, wish.seconds);
  wish.say(`${wish.changes} changes, one after the other`);
  const alone = await passesDuring(stage, () => oneByOne(stage));
  await settled(stage);
  wish.say(`${changesPerSecond} changes a second for ${wish.seconds} s`);
  const [busy, usage] = await Promise.all([
    passesDuring(stage, () => atOnce(stage, wish.seconds)),
    usageOf(controller.pid, wish.seconds),
  ]);
  return {
    quiet,
    churn: { ...usage, changesPerSecond },
    delay: { alone: figuresOf(alone.value), churn: figuresOf(busy.value) },
    passes: { alone: alone.passes, churn: busy.passes },
  };
}

/** Waits until the controller has neither planned nor written for three seconds, at most two minutes: what a start leaves behind. */
async function settled({ controller, wish }: Stage): Promise<void> {
  wish.say('waiting for the controller to come to rest');
  for (let before = -1, left = 40; left > 0; left -= 1) {
    const rounds = await controller.metric(/^isthmus_reconcile_total\{.*loop="(publication|imports)"/);
    if (rounds === before) return;
    before = rounds;
    await pause(3000);
  }
  wish.say('it does not: measured all the same');
}

async function passesDuring<T>({ controller }: Stage, work: () => Promise<T>): Promise<{ value: T; passes: Passes }> {
  const read = (): Promise<readonly number[]> =>
    Promise.all(['count', 'sum'].map((part) => controller.metric(new RegExp(`^isthmus_publication_seconds_${part}`))));
  const [countBefore = 0, sumBefore = 0] = await read();
  const value = await work();
  const [countAfter = 0, sumAfter = 0] = await read();
  const count = countAfter - countBefore;
  return { value, passes: { count, meanMs: count === 0 ? 0 : round(((sumAfter - sumBefore) / count) * 1000) } };
}

async function oneByOne(stage: Stage): Promise<readonly number[]> {
  const { changes, say } = stage.wish;
  const times: number[] = [];
  const told = teller(say);
  for (let done = 0; done < changes; done += 1) {
    times.push(await changeOne(stage));
    told(() => `${done + 1} of ${changes} changes`);
    // Changes come at random moments of whatever cycles there are.
    await pause(100 + 400 * Math.random());
  }
  return times;
}

/** Changes at a steady rate, whether or not those before are through. */
async function atOnce(stage: Stage, seconds: number): Promise<readonly number[]> {
  const under: Promise<number>[] = [];
  const told = teller(stage.wish.say);
  for (let left = Math.max(1, Math.round(seconds * changesPerSecond)); left > 0; left -= 1) {
    under.push(changeOne(stage));
    told(() => `${under.length} changes made`);
    await pause(1000 / changesPerSecond);
  }
  return Promise.all(under);
}

/** Changes the next peer, in turn a port of a service that is there and a service more; milliseconds until the import shows it. */
async function changeOne(stage: Stage): Promise<number> {
  const { simulated, imports, wish } = stage;
  const count = (stage.changes += 1);
  const port = firstPort + count;
  const kind = count % 2 === 0 ? 'service' : 'port';
  const peer = count % wish.peers;
  const service = Math.floor(count / wish.peers) % wish.services;
  const seen = imports.port(port);
  const { at } = await simulated.change({ peer, kind, service, port });
  return (await seen) - at;
}

/** What the first peers' status says, and the end of the controller's log. */
async function unready({ client }: ApiServer, logFile: string): Promise<string> {
  const list = await client.list<ApiObject & { readonly status?: object }>(pathFor(resources.istioFederations));
  const statuses = list.slice(0, 3).map(({ metadata, status }) => `${metadata?.name}: ${JSON.stringify(status)}`);
  return [...statuses, readFileSync(logFile, 'utf8').slice(-2000)].join('\n');
}

/** Says something at most every two seconds. */
function teller(say: (line: string) => void): (line: () => string) => void {
  let last = performance.now();
  return (line) => {
    if (performance.now() - last < 2000) return;
    last = performance.now();
    say(line());
  };
}

function federationFor({ name, trustDomain, endpoint, root }: ReadyPeer): ApiObject {
  const spec = { trustDomain, metadataEndpoint: endpoint, metadata: { ca: root } };
  return { apiVersion: 'isthmus.dev/v1alpha1', kind: 'IstioFederation', metadata: { name }, spec } as ApiObject;
}

function tables({ quiet, churn, delay, passes, coldSyncSeconds, peers, services }: PeersResult): string {
  const usage = (name: string, of: Usage): readonly string[] => [
    name,
    `${of.cpuPercent} %`,
    `${of.rssMiB} MiB`,
    `${of.pssMiB} MiB`,
    `${of.children.cpuPercent} %`,
    `${of.children.pssMiB} MiB`,
  ];
  const delays = (name: string, { rounds, min, p50, p99, max }: Figures, of: Passes): readonly string[] => [
    name,
    String(rounds),
    ...[min, p50, p99, max].map((ms) => `${ms} ms`),
    String(of.count),
    `${of.meanMs} ms`,
  ];
  return [
    `${peers} peers, ${services} services each; cold sync ${coldSyncSeconds} s`,
    table([
      ['controller', 'CPU of a core', 'RSS', 'PSS', 'PostgreSQL: CPU', 'PSS'],
      usage('quiet', quiet),
      usage(`${churn.changesPerSecond} changes a second`, churn),
    ]),
    table([
      ['peer’s change → ServiceEntry', 'changes', 'min', 'p50', 'p99', 'max', 'passes', 'mean pass'],
      delays('one after the other', delay.alone, passes.alone),
      delays(`${churn.changesPerSecond} changes a second`, delay.churn, passes.churn),
    ]),
  ].join('\n\n');
}
