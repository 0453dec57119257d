import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from '../demo/story.js';
import { demoNamespace, repositoryDirectory, startLab } from '../lab/index.js';
import type { Lab, LabCluster } from '../lab/index.js';
import { readRecords } from '../lab/node-agent/pod-record.js';
import { pidSeenFromHere } from '../lab/pod/processes.js';
import { EndpointsWatch, unixMs } from './failover/endpoints-watch.js';
import { errorsOf, moveOf } from './failover/calls.js';
import type { Call, Errors, Move } from './failover/calls.js';
import { figuresOf, round, table } from './figures.js';
import type { Figures } from './figures.js';
import { stoppedLater, withStops } from './stops.js';
import type { Stops } from './stops.js';

export interface FailoverWish {
  readonly rounds: number;
  /** Calls a second. */
  readonly rate: number;
  readonly say: (line: string) => void;
}

export interface FailoverResult {
  readonly rate: number;
  readonly scaledToZero: Side;
  readonly killed: Side;
}

/** Times in ms over all rounds, errors in all of them. */
interface Side {
  /** From just before the order to scale (or kill) until no endpoint was ready. */
  readonly orderToGone: Figures;
  /** From there: the first answer from elsewhere, and the first after which all were. */
  readonly goneToFirst: Figures;
  readonly goneToAll: Figures;
  /** From just before the order. */
  readonly orderToAll: Figures;
  readonly awaySlowest: Figures;
  /** The way back, from the moment an endpoint was ready again. */
  readonly readyToFirst: Figures;
  readonly readyToAll: Figures;
  readonly backSlowest: Figures;
  readonly awayErrors: Errors;
  readonly backErrors: Errors;
}

interface Round {
  readonly orderToGone: number;
  readonly away: Move;
  readonly back: Move;
  readonly awayCalls: readonly Call[];
  readonly backCalls: readonly Call[];
}

interface Scene {
  readonly lab: Lab;
  readonly here: LabCluster;
  readonly calls: readonly Call[];
  readonly endpoints: EndpointsWatch;
}

const service = 'echo';
const deployment = `/apis/apps/v1/namespaces/${demoNamespace}/deployments/${service}`;
/** Calls have moved when for so long no answer was of another kind. */
const calmMs = 2_000;
const patienceMs = 90_000;

/** One service in three clusters, called from one of them: its pods here go away and come back under load. */
export function benchFailover(wish: FailoverWish): Promise<FailoverResult> {
  return withStops((stops) => run(wish, stops));
}

async function run({ rounds, rate, say }: FailoverWish, stops: Stops): Promise<FailoverResult> {
  say('starting three clusters that share all names');
  const lab = await stoppedLater(stops, startLab({ clusters: 3, multicluster: true, progress: say }));
  const [here] = lab.clusters as [LabCluster];
  const endpoints = new EndpointsWatch(here, service);
  stops.push(() => endpoints.stop());
  const scene = { lab, here, endpoints, calls: startCalls(lab, here, rate, stops) };
  await calm(scene, 'calls to stay here', ({ by }) => by === here.name);
  const scaled: Round[] = [];
  const killed: Round[] = [];
  for (let index = 0; index < rounds; index += 1) {
    // The pod to be killed is the one that scaling made, so that no pause of the node's for pods that died before is in it.
    scaled.push(
      await oneRound(
        scene,
        () => scale(here, 0),
        () => scale(here, 1),
      ),
    );
    say(`${index + 1} of ${rounds}, scaled to zero: ${told(scaled.at(-1))}`);
    killed.push(
      await oneRound(
        scene,
        () => killPod(lab, here),
        () => Promise.resolve(),
      ),
    );
    say(`${index + 1} of ${rounds}, killed: ${told(killed.at(-1))}`);
  }
  const result = { rate, scaledToZero: sideOf(scaled), killed: sideOf(killed) };
  say(tables(result));
  return result;
}

/** Calls from a pod of this cluster, as they come. */
function startCalls(lab: Lab, here: LabCluster, rate: number, stops: Stops): readonly Call[] {
  const repository = repositoryDirectory();
  const child = lab.spawnIn(here.name, demoNamespace, 'client', [
    join(repository, 'node_modules/node/bin/node'),
    join(repository, 'dist/test/bench/failover/caller.js'),
    `http://${service}.${demoNamespace}.svc.cluster.local/`,
    String(rate),
  ]);
  child.stderr.pipe(process.stderr);
  stops.push(async () => {
    const closed = new Promise((done) => child.once('close', done));
    child.stdin.end();
    await closed;
  });
  const calls: Call[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => calls.push(JSON.parse(line) as Call));
  return calls;
}

async function scale(cluster: LabCluster, replicas: number): Promise<void> {
  await cluster.api.patch(deployment, { spec: { replicas } });
}

/** kill -9 of every container of the pod at once: the node notices, endpoints go by readiness, and the node starts it again. */
function killPod(lab: Lab, { name }: LabCluster): Promise<void> {
  const pods = readRecords(join(lab.directory, name, 'node')).filter(
    (pod) => pod.namespace === demoNamespace && pod.name.startsWith(`${service}-`) && pod.killAt === undefined,
  );
  const pids = pods
    .flatMap(({ containers }) => Object.values(containers))
    .flatMap(({ process: target, ended }) => (target === undefined || ended !== undefined ? [] : [target]))
    .flatMap((target) => pidSeenFromHere(target) ?? []);
  if (pids.length === 0) throw new Error(`no process of ${service} runs in ${name}`);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return Promise.resolve();
}

async function oneRound(scene: Scene, away: () => Promise<void>, back: () => Promise<void>): Promise<Round> {
  const { here, calls, endpoints } = scene;
  const home = ({ by }: Call): boolean => by === here.name;
  const elsewhere = ({ by }: Call): boolean => by !== undefined && by !== here.name;
  const ordered = unixMs();
  await away();
  const gone = await eventually('no ready endpoint', patienceMs, () =>
    Promise.resolve(endpoints.since(ordered, false)),
  );
  // A pod that was killed may be back before its calls have all gone.
  await Promise.race([
    calm(scene, 'calls to go elsewhere', elsewhere),
    eventually('a ready endpoint', patienceMs, () => Promise.resolve(endpoints.since(gone, true))),
  ]);
  await back();
  const ready = await eventually('a ready endpoint', patienceMs, () => Promise.resolve(endpoints.since(gone, true)));
  await calm(scene, 'calls to come back', home);
  const awayCalls = calls.filter(({ answered }) => answered >= ordered && answered < ready);
  const backCalls = calls.filter(({ answered }) => answered >= ready);
  return {
    orderToGone: gone - ordered,
    away: moveOf(awayCalls, gone, elsewhere),
    back: moveOf(backCalls, ready, home),
    awayCalls,
    backCalls,
  };
}

/** Waits until for a while every answer was of that kind. */
async function calm({ calls }: Scene, what: string, kind: (call: Call) => boolean): Promise<void> {
  const began = unixMs();
  await eventually(what, patienceMs, () => {
    const from = unixMs() - calmMs;
    if (from < began) return Promise.resolve(undefined);
    const latest = calls.filter(({ answered }) => answered >= from);
    return Promise.resolve(latest.length > 0 && latest.every(kind) ? true : undefined);
  });
}

function sideOf(rounds: readonly Round[]): Side {
  const figures = (of: (each: Round) => number): Figures => figuresOf(rounds.map(of));
  return {
    orderToGone: figures(({ orderToGone }) => orderToGone),
    goneToFirst: figures(({ away }) => away.first),
    goneToAll: figures(({ away }) => away.all),
    orderToAll: figures(({ orderToGone, away }) => orderToGone + away.all),
    awaySlowest: figures(({ away }) => away.slowest),
    readyToFirst: figures(({ back }) => back.first),
    readyToAll: figures(({ back }) => back.all),
    backSlowest: figures(({ back }) => back.slowest),
    awayErrors: errorsOf(rounds.flatMap(({ awayCalls }) => awayCalls)),
    backErrors: errorsOf(rounds.flatMap(({ backCalls }) => backCalls)),
  };
}

function told(one: Round | undefined): string {
  if (one === undefined) return '';
  const { orderToGone, away, back, awayCalls, backCalls } = one;
  const { errors, kinds } = errorsOf([...awayCalls, ...backCalls]);
  const times = [orderToGone, away.first, away.all, back.first, back.all].map((ms) => `${round(ms)} ms`);
  return `gone ${times[0]}, then first ${times[1]}, all ${times[2]}; back first ${times[3]}, all ${times[4]}; ${errors} errors ${JSON.stringify(kinds)}`;
}

function tables({ scaledToZero, killed }: FailoverResult): string {
  const rows: readonly (readonly [string, keyof Omit<Side, 'awayErrors' | 'backErrors'>])[] = [
    ['order → no endpoint ready', 'orderToGone'],
    ['… → first answer from elsewhere', 'goneToFirst'],
    ['… → all answers from elsewhere', 'goneToAll'],
    ['order → all answers from elsewhere', 'orderToAll'],
    ['slowest call meanwhile', 'awaySlowest'],
    ['endpoint ready again → first answer from here', 'readyToFirst'],
    ['… → all answers from here', 'readyToAll'],
    ['slowest call meanwhile', 'backSlowest'],
  ];
  const cells = ({ p50, max }: Figures): readonly string[] => [`${p50} ms`, `${max} ms`];
  const errors = ({ errors: count, calls, kinds }: Errors): readonly string[] => [
    `${count} of ${calls}`,
    count === 0 ? '' : JSON.stringify(kinds),
  ];
  return table([
    ['', 'scaled to zero: p50', 'max', 'killed: p50', 'max'],
    ...rows.map(([name, key]) => [name, ...cells(scaledToZero[key]), ...cells(killed[key])]),
    ['errors while calls went', ...errors(scaledToZero.awayErrors), ...errors(killed.awayErrors)],
    ['errors while they came back', ...errors(scaledToZero.backErrors), ...errors(killed.backErrors)],
  ]);
}
