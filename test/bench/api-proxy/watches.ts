import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Child } from '../../harness/child.js';
import { figuresOf, round } from '../figures.js';
import type { Figures } from '../figures.js';
import { usageOf } from '../process-usage.js';
import type { Usage } from '../process-usage.js';
import { atOnce, groupNamespace, slice } from './objects.js';
import type { Side } from './side.js';
import type { ApiProxyStage } from './stage.js';
import { eventsIn, WatchTally } from './watch-tally.js';

/** Watches that see each event: 500 that saw all 200 events a second would be 100,000 a second. */
export const watchesPerEvent = 10;
const warmUpSeconds = 3;
const settleMs = 2_000;
const patienceMs = 15_000;

export interface WatchWish {
  readonly watches: number;
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

/** What one side's watches saw; CPU in percent of one core while events came. */
export interface WatchFigures {
  readonly written: number;
  /** Events times the watches that were to see each. */
  readonly expected: number;
  readonly lost: number;
  readonly doubled: number;
  readonly strange: number;
  readonly delay: Figures;
  readonly cpu: Readonly<Record<'apiServer' | 'door' | 'wayOut', number>>;
}

/** Memory and CPU of open watches on which nothing happens; each of which has a stream of its own over HTTP/2. */
export interface IdleFigures {
  readonly watches: number;
  readonly door: IdleProcess;
  readonly wayOut: IdleProcess;
}

interface IdleProcess {
  readonly before: Held;
  readonly having: Held;
  /** By what the process takes of the machine, and by what is alive on its heap and in its buffers. */
  readonly kibPerWatch: { readonly pss: number; readonly alive: number };
}

/** MiB. */
interface Held {
  readonly pssMiB: number;
  readonly aliveMiB: number;
  readonly cpuPercent: number;
}

interface Measured {
  readonly tally: WatchTally;
  readonly written: number;
  readonly usage: readonly Usage[];
}

/** Events at watches, in rounds that go direct, through both, through both, direct. */
export async function measureWatches(
  stage: ApiProxyStage,
  wish: WatchWish,
  say: (line: string) => void,
): Promise<Readonly<Record<'direct' | 'both', WatchFigures>>> {
  const { direct, both } = stage.sides;
  const half = { ...wish, seconds: Math.max(1, Math.round(wish.seconds / 2)) };
  const found = new Map<Side, Measured[]>([
    [direct, []],
    [both, []],
  ]);
  // The first writes and watches of all take longer; they are not counted.
  for (const side of [direct, both]) await oneRound(stage, side, { ...wish, seconds: warmUpSeconds });
  for (const side of [direct, both, both, direct]) {
    say(`${wish.watches} watches, ${side.name}: ${wish.eventsPerSecond} events a second for ${half.seconds} s`);
    found.get(side)?.push(await oneRound(stage, side, half));
  }
  return { direct: summed(found.get(direct) ?? []), both: summed(found.get(both) ?? []) };
}

async function oneRound(stage: ApiProxyStage, side: Side, wish: WatchWish): Promise<Measured> {
  const groups = groupsOf(wish.watches);
  const tally = new WatchTally(wish.watches, groups);
  const ended: string[] = [];
  await open(stage, side, wish.watches, (watch) => ({
    namespace: groupNamespace(tally.groupOf(watch)),
    onData: eventsIn((event) => tally.see(watch, event, performance.now())),
    onEnd: (why) => void ended.push(why),
  }));
  await pause(settleMs);
  const { cluster, door, wayOut } = stage;
  const [written, ...usage] = await Promise.all([
    write(stage, tally, wish),
    ...[cluster.api.pid(), door.pid, wayOut.pid].map((pid) => usageOf(pid, wish.seconds)),
  ]);
  const until = performance.now() + patienceMs;
  while (tally.sum().lost > 0 && performance.now() < until) await pause(100);
  side.endWatches();
  await pause(settleMs);
  failOn(ended);
  return { tally, written, usage };
}

function failOn(ended: readonly string[]): void {
  if (ended.length > 0) throw new Error(`${ended.length} watches ended by themselves, first ${ended[0]}`);
}

export function groupsOf(watches: number): number {
  return Math.max(1, Math.ceil(watches / watchesPerEvent));
}

interface Opened {
  readonly namespace: string;
  readonly onData: (chunk: Buffer) => void;
  readonly onEnd: (why: string) => void;
}

/** Opens watches from the present on: nothing that is there already is sent. */
async function open(
  { cluster }: ApiProxyStage,
  side: Side,
  count: number,
  watchOf: (watch: number) => Opened,
): Promise<void> {
  const slices = '/apis/discovery.k8s.io/v1/endpointslices';
  const { body } = await cluster.api.client.request({ method: 'GET', path: slices, query: { limit: 1 } });
  const { resourceVersion } = (JSON.parse(body) as { metadata: { resourceVersion: string } }).metadata;
  await atOnce(count, async (watch) => {
    const { namespace, onData, onEnd } = watchOf(watch);
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    await side.watch(`${path}?watch=true&resourceVersion=${resourceVersion}`, onData, onEnd);
  });
}

/** Writes at a steady rate, whether or not those before are through; answers how many. */
async function write({ cluster }: ApiProxyStage, tally: WatchTally, wish: WatchWish): Promise<number> {
  const count = wish.eventsPerSecond * wish.seconds;
  const started = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let index = 0; index < count; index += 1) {
    const due = started + (index * 1000) / wish.eventsPerSecond;
    if (due > performance.now()) await pause(due - performance.now());
    const { event, group } = tally.write(performance.now());
    writes.push(cluster.api.client.replace(slice(group, event)));
  }
  await Promise.all(writes);
  return count;
}

function summed(rounds: readonly Measured[]): WatchFigures {
  const sums = rounds.map(({ tally }) => tally.sum());
  const total = (pick: (sum: (typeof sums)[number]) => number): number =>
    sums.reduce((all, each) => all + pick(each), 0);
  const cpu = (index: number): number =>
    round(rounds.reduce((all, { usage }) => all + (usage[index]?.cpuPercent ?? 0), 0) / rounds.length);
  return {
    written: rounds.reduce((all, { written }) => all + written, 0),
    expected: total(({ expected }) => expected),
    lost: total(({ lost }) => lost),
    doubled: total(({ doubled }) => doubled),
    strange: total(({ strange }) => strange),
    delay: figuresOf(rounds.flatMap(({ tally }) => tally.delays)),
    cpu: { apiServer: cpu(0), door: cpu(1), wayOut: cpu(2) },
  };
}

/** Some watches first, so that what comes once is not counted; then many more, after a garbage collection before and after. */
export async function measureIdle(stage: ApiProxyStage, watches: number): Promise<IdleFigures> {
  const { sides, door, wayOut } = stage;
  const ended: string[] = [];
  const nothing = (): Opened => ({
    namespace: 'default',
    onData: () => undefined,
    onEnd: (why) => void ended.push(why),
  });
  await open(stage, sides.both, Math.ceil(watches / 10), nothing);
  const processes = [door, wayOut];
  const before = await Promise.all(processes.map(held));
  await open(stage, sides.both, watches, nothing);
  const after = await Promise.all(processes.map(held));
  sides.both.endWatches();
  await pause(settleMs);
  failOn(ended);
  const of = (index: number): IdleProcess => {
    const [without, having] = [before[index]!, after[index]!];
    const each = (kind: 'pssMiB' | 'aliveMiB'): number => round(((having[kind] - without[kind]) * 1024) / watches);
    return { before: without, having, kibPerWatch: { pss: each('pssMiB'), alive: each('aliveMiB') } };
  };
  return { watches, door: of(0), wayOut: of(1) };
}

/** What a process holds after its garbage is collected, and its CPU over five seconds. */
async function held({ pid, logFile }: Child): Promise<Held> {
  for (let times = 0; times < 2; times += 1) {
    await pause(settleMs);
    process.kill(pid, 'SIGUSR2');
  }
  await pause(settleMs);
  const { pssMiB, cpuPercent } = await usageOf(pid, 5);
  const line = readFileSync(logFile, 'utf8')
    .split('\n')
    .findLast((each) => each.startsWith('{"leftAfterCollection"'));
  if (line === undefined) throw new Error(`${logFile}: no garbage was collected`);
  const { heapUsed, external } = (JSON.parse(line) as { leftAfterCollection: NodeJS.MemoryUsage }).leftAfterCollection;
  return { pssMiB, aliveMiB: round((heapUsed + external) / 2 ** 20, 2), cpuPercent };
}
