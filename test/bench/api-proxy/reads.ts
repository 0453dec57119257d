import { figuresOf, round } from '../figures.js';
import type { Figures } from '../figures.js';
import { cpuSeconds } from '../process-usage.js';
import { sideNames } from './side.js';
import type { Side, SideName } from './side.js';
import type { ApiProxyStage } from './stage.js';

export type PerSide<T> = Readonly<Record<SideName, T>>;

/** Lists of all pods. Throughput is that of four at once; CPU is milliseconds of each process for one list. */
export interface ListFigures {
  readonly latency: Figures;
  readonly listsPerSecond: number;
  readonly mibPerSecond: number;
  readonly cpuMsPerList: Readonly<Record<'apiServer' | 'door' | 'wayOut' | 'reader', number>>;
}

export const podsNamespace = 'isthmus-bench';
const pods = `/api/v1/namespaces/${podsNamespace}/pods`;
const getsAtATime = 50;
const listLanes = 4;
const listsPerLane = 2;

/** Gets of one pod, one after the other, in blocks that go round the sides. */
export async function measureGets({ sides }: ApiProxyStage, gets: number): Promise<PerSide<Figures>> {
  const target = `${pods}/pod-0`;
  const blocks = Math.ceil(gets / getsAtATime);
  const times: PerSide<number[]> = { direct: [], door: [], both: [] };
  // The first blocks warm up and are not counted.
  for (let block = -6; block < blocks; block += 1)
    for (const name of inTurn(block)) {
      const found = await getsOf(sides[name], target);
      if (block >= 0) times[name].push(...found);
    }
  return perSide((name) => figuresOf(times[name], 2));
}

async function getsOf(side: Side, target: string): Promise<readonly number[]> {
  const times: number[] = [];
  while (times.length < getsAtATime) times.push((await side.ask(target)).ms);
  return times;
}

/** Lists one at a time, and four at once, in rounds that go round the sides. */
export async function measureLists(
  stage: ApiProxyStage,
  rounds: number,
  accept: string,
): Promise<{ readonly mib: number; readonly sides: PerSide<ListFigures> }> {
  const sums = perSide(() => ({ times: [] as number[], bytes: 0, ms: 0, lists: 0, cpu: [0, 0, 0, 0] }));
  let bytes = 0;
  for (let round = -2; round < rounds; round += 1)
    for (const name of inTurn(round)) {
      const alone = await stage.sides[name].ask(pods, accept);
      const together = await listTogether(stage, stage.sides[name], accept);
      bytes = alone.bytes;
      if (round < 0) continue;
      const sum = sums[name];
      sum.times.push(alone.ms);
      sum.bytes += together.bytes;
      sum.ms += together.ms;
      sum.lists += listLanes * listsPerLane;
      sum.cpu = sum.cpu.map((seconds, index) => seconds + (together.cpu[index] ?? 0));
    }
  const sides = perSide((name): ListFigures => {
    const { times, ms, lists, cpu, bytes: all } = sums[name];
    const [apiServer = 0, door = 0, wayOut = 0, reader = 0] = cpu.map((seconds) => round((seconds * 1000) / lists));
    return {
      latency: figuresOf(times),
      listsPerSecond: round((lists / ms) * 1000, 2),
      mibPerSecond: round((all / 2 ** 20 / ms) * 1000),
      cpuMsPerList: { apiServer, door, wayOut, reader },
    };
  });
  return { mib: round(bytes / 2 ** 20), sides };
}

interface Together {
  readonly bytes: number;
  readonly ms: number;
  /** Seconds of API server, door, way out and this process. */
  readonly cpu: readonly number[];
}

async function listTogether({ cluster, door, wayOut }: ApiProxyStage, side: Side, accept: string): Promise<Together> {
  const processes = [cluster.api.pid(), door.pid, wayOut.pid, process.pid];
  const before = processes.map((pid) => cpuSeconds(pid));
  const started = performance.now();
  const lane = async (): Promise<number> => {
    let bytes = 0;
    for (let count = 0; count < listsPerLane; count += 1) bytes += (await side.ask(pods, accept)).bytes;
    return bytes;
  };
  const lanes = await Promise.all(Array.from({ length: listLanes }, lane));
  const ms = performance.now() - started;
  const cpu = processes.map((pid, index) => cpuSeconds(pid) - (before[index] ?? 0));
  return { bytes: lanes.reduce((sum, each) => sum + each, 0), ms, cpu };
}

/** The sides, another one first in every round. */
function inTurn(round: number): readonly SideName[] {
  const first = ((round % sideNames.length) + sideNames.length) % sideNames.length;
  return [...sideNames.slice(first), ...sideNames.slice(0, first)];
}

function perSide<T>(make: (name: SideName) => T): PerSide<T> {
  return { direct: make('direct'), door: make('door'), both: make('both') };
}
