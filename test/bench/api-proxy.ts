import { rmSync } from 'node:fs';
import { temporaryDirectory } from '../harness/postgres.js';
import { createPods, createSlices } from './api-proxy/objects.js';
import { measureGets, measureLists } from './api-proxy/reads.js';
import type { ListFigures, PerSide } from './api-proxy/reads.js';
import { sideNames } from './api-proxy/side.js';
import type { SideName } from './api-proxy/side.js';
import { startStage } from './api-proxy/stage.js';
import { groupsOf, measureIdle, measureWatches, watchesPerEvent } from './api-proxy/watches.js';
import type { IdleFigures, WatchFigures, WatchWish } from './api-proxy/watches.js';
import { round, table } from './figures.js';
import type { Figures } from './figures.js';
import { stoppedLater, withStops } from './stops.js';
import type { Stops } from './stops.js';

export interface ApiProxyWish {
  readonly pods: number;
  /** Gets on each side. */
  readonly gets: number;
  /** Rounds of lists; in each, every side has one alone and eight by four at once. */
  readonly lists: number;
  readonly watches: WatchWish;
  readonly idleWatches: number;
  /** Folder for CPU profiles of both proxies. */
  readonly cpuProfile: string | undefined;
  readonly say: (line: string) => void;
}

export interface ApiProxyResult {
  readonly pods: number;
  readonly get: PerSide<Figures>;
  readonly list: Readonly<Record<Format, { readonly mib: number; readonly sides: PerSide<ListFigures> }>>;
  readonly watches: Readonly<Record<'direct' | 'both', WatchFigures>> & {
    readonly open: number;
    readonly perEvent: number;
  };
  readonly idle: IdleFigures;
  readonly wanted: readonly Wanted[];
}

/** A wish of the product, and what this run says of it. */
interface Wanted {
  readonly what: string;
  readonly wanted: string;
  readonly seen: string;
  readonly met: boolean;
}

type Format = 'json' | 'protobuf';
type Measured = Omit<ApiProxyResult, 'wanted'>;

/** A real API server asked directly, through the door alone, and through the way out and the door, all in one run. */
export function benchApiProxy(wish: ApiProxyWish): Promise<ApiProxyResult> {
  return withStops((stops) => run(wish, stops));
}

async function run(wish: ApiProxyWish, stops: Stops): Promise<ApiProxyResult> {
  const { pods, say, cpuProfile } = wish;
  const directory = temporaryDirectory();
  stops.push(() => Promise.resolve(rmSync(directory, { recursive: true, force: true, maxRetries: 5 })));
  say('starting an API server, a door and a way out');
  const stage = await startStage({ directory, cpuProfile, started: (starting) => stoppedLater(stops, starting) });
  stops.push(() => Promise.resolve(sideNames.forEach((name) => stage.sides[name].close())));
  const { client } = stage.cluster.api;
  // First, while both processes are as they started.
  say(`${wish.idleWatches} idle watches through both`);
  const idle = await measureIdle(stage, wish.idleWatches);
  say(`creating ${pods} pods`);
  await createPods(client, pods, say);
  say(`${wish.gets} gets on each side`);
  const get = await measureGets(stage, wish.gets);
  say(`${wish.lists} rounds of lists as JSON`);
  const json = await measureLists(stage, wish.lists, 'application/json');
  say(`${wish.lists} rounds of lists as protobuf`);
  const protobuf = await measureLists(stage, wish.lists, 'application/vnd.kubernetes.protobuf');
  await createSlices(client, groupsOf(wish.watches.watches));
  const watches = await measureWatches(stage, wish.watches, say);
  const open = { open: wish.watches.watches, perEvent: watchesPerEvent };
  const measured = { pods, get, list: { json, protobuf }, watches: { ...open, ...watches }, idle };
  const result = { ...measured, wanted: wantedOf(measured) };
  say(tables(result));
  return result;
}

function wantedOf({ get, list, watches, idle }: Measured): readonly Wanted[] {
  const added = round(get.both.p50 - get.direct.p50, 2);
  const share = Math.round((100 * list.json.sides.door.listsPerSecond) / list.json.sides.direct.listsPerSecond);
  const { lost, doubled, strange } = watches.both;
  const memory = Math.max(...[idle.door, idle.wayOut].flatMap(({ kibPerWatch: { pss, alive } }) => [pss, alive]));
  return [
    { what: 'p50 of a get, added by both', wanted: 'under 2 ms', seen: `${added} ms`, met: added < 2 },
    {
      what: 'list throughput through the door',
      wanted: 'at least 70 % of direct',
      seen: `${share} %`,
      met: share >= 70,
    },
    {
      what: 'events lost, doubled, strange',
      wanted: 'none',
      seen: `${lost}, ${doubled}, ${strange}`,
      met: lost + doubled + strange === 0,
    },
    {
      what: 'memory of an idle watch, the larger proxy',
      wanted: 'under 64 KiB',
      seen: `${memory} KiB`,
      met: memory < 64,
    },
  ];
}

function tables(result: ApiProxyResult): string {
  const { get, list, watches, idle, wanted } = result;
  const ms = ({ p50, p99, max }: Figures): readonly string[] => [p50, p99, max].map((value) => `${value} ms`);
  const reads = (kind: string, of: (name: SideName) => Figures): readonly (readonly string[])[] =>
    sideNames.map((name) => [`${kind}, ${name}`, ...ms(of(name))]);
  const lists = (format: Format): readonly (readonly string[])[] =>
    sideNames.map((name) => {
      const { listsPerSecond, mibPerSecond, cpuMsPerList: cpu } = list[format].sides[name];
      const used = [cpu.apiServer, cpu.door, cpu.wayOut, cpu.reader].map((value) => `${value} ms`);
      return [`${format}, ${name}`, String(listsPerSecond), `${mibPerSecond} MiB/s`, ...used];
    });
  const seen = (['direct', 'both'] as const).map((name) => {
    const { expected, lost, doubled, delay, cpu } = watches[name];
    const used = [cpu.apiServer, cpu.door, cpu.wayOut].map((value) => `${value} %`);
    return [name, ...[expected, lost, doubled].map(String), `${delay.p50} ms`, `${delay.p99} ms`, ...used];
  });
  const memory = (['door', 'wayOut'] as const).map((name) => {
    const { before, having, kibPerWatch } = idle[name];
    const mib = [before.pssMiB, having.pssMiB, before.aliveMiB, having.aliveMiB].map((value) => `${value} MiB`);
    return [name, ...mib, `${kibPerWatch.pss} KiB`, `${kibPerWatch.alive} KiB`, `${having.cpuPercent} %`];
  });
  return [
    table([
      ['one request', 'p50', 'p99', 'max'],
      ...reads('get', (name) => get[name]),
      ...reads(`list (${list.json.mib} MiB of JSON)`, (name) => list.json.sides[name].latency),
      ...reads(`list (${list.protobuf.mib} MiB of protobuf)`, (name) => list.protobuf.sides[name].latency),
    ]),
    table([
      ['lists, four at once', 'a second', 'bytes', 'CPU a list: API server', 'door', 'way out', 'reader'],
      ...lists('json'),
      ...lists('protobuf'),
    ]),
    table([
      [`${watches.open} watches`, 'to be seen', 'lost', 'doubled', 'p50', 'p99', 'CPU API server', 'door', 'way out'],
      ...seen,
    ]),
    table([
      [`${idle.watches} idle watches`, 'PSS before', 'with', 'alive before', 'with', 'a watch: PSS', 'alive', 'CPU'],
      ...memory,
    ]),
    table([
      ['wanted', '', 'seen', ''],
      ...wanted.map(({ what, wanted: aim, seen: found, met }) => [what, aim, found, met ? 'met' : 'MISSED']),
    ]),
  ].join('\n\n');
}
