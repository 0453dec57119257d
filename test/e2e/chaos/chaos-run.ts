import { setTimeout as pause } from 'node:timers/promises';
import { condition } from '../../demo/scene.js';
import { eventually } from '../../demo/story.js';
import { startLoad } from '../../lab/index.js';
import type { Lab, LabCluster, LoadReport, ProcessName, RunningLoad } from '../../lab/index.js';
import { killOrder } from './kill-order.js';
import { seededRandom } from './random.js';
import { producedState } from './state.js';

/** Every control-plane process that may die at any moment. */
export const victims = [
  'controller',
  'metadata-api',
  'mesh',
  'etcd',
  'kube-apiserver',
  'postgres',
] as const satisfies readonly ProcessName[];

export interface ChaosPlan {
  readonly kills: number;
  readonly seed: number;
  /** Host called from the first cluster, served by the second. */
  readonly host: string;
  readonly say: (line: string) => void;
}

export interface ChaosOutcome {
  readonly kills: readonly string[];
  readonly loads: Readonly<Record<'http' | 'grpc' | 'tcp', LoadReport>>;
  readonly before: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly after: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * After so many kills all must heal before more are killed. An API server that is never up for longer than a minute is another story: Kubernetes'
 * own controllers then take a live node for dead, and its pods out of every Service.
 */
const burst = 20;

/** Kubernetes' own controllers wait up to half a minute, and more each time, before they look at an API server again that was often away. */
export const healingMs = 240_000;

/** Kills at random under load of three kinds, waits until all has healed, and tells what stood before and stands after. */
export async function runChaos(lab: Lab, plan: ChaosPlan): Promise<ChaosOutcome> {
  const random = seededRandom(plan.seed);
  const before = await states(lab);
  const loads = startLoads(lab, plan.host);
  await pause(2_000);
  const kills: string[] = [];
  const names = lab.clusters.map(({ name }) => name);
  for (const { cluster, victim } of killOrder(names, victims, plan.kills, random)) {
    await killed(lab, cluster, victim);
    kills.push(`${cluster}/${victim}`);
    plan.say(`kill ${kills.length} of ${plan.kills}: ${cluster}/${victim}`);
    if (kills.length % burst === 0 && kills.length < plan.kills) {
      await healed(lab);
      plan.say('healed');
    }
    await pause(400 + 1_600 * random());
  }
  await healed(lab);
  await pause(1_000);
  const reports = await Promise.all([loads.http.stop(), loads.grpc.stop(), loads.tcp.stop()]);
  const [http, grpc, tcp] = reports;
  return { kills, loads: { http, grpc, tcp }, before, after: await states(lab) };
}

function startLoads(lab: Lab, host: string): Readonly<Record<'http' | 'grpc' | 'tcp', RunningLoad>> {
  const [caller] = lab.clusters;
  const load = (tool: 'call-http' | 'call-grpc' | 'call-tcp', target: string): RunningLoad =>
    startLoad(lab, {
      cluster: caller?.name ?? '',
      namespace: 'demo',
      pod: 'client',
      tool,
      target,
      rate: 10,
      timeoutMs: 15_000,
    });
  return {
    http: load('call-http', `http://${host}/`),
    grpc: load('call-grpc', `${host}:9090`),
    tcp: load('call-tcp', `${host}:9000`),
  };
}

/** A process that is just being started again has no id yet: it is killed as soon as it has. */
async function killed(lab: Lab, cluster: string, victim: ProcessName): Promise<void> {
  await eventually(`${victim} in ${cluster}, to be killed`, healingMs, async () => {
    lab.kill(cluster, victim);
    return true;
  });
}

/** All federations Ready, three looks in a row: a status from before the kill does not count. */
export async function healed(lab: Lab): Promise<void> {
  for (let look = 0; look < 3; look += 1) {
    await pause(1_500);
    const pairs = lab.clusters.flatMap((cluster) =>
      lab.clusters.filter((peer) => peer !== cluster).map((peer) => [cluster, peer.name] as const),
    );
    await Promise.all(pairs.map(([cluster, name]) => isReady(cluster, name)));
  }
}

async function isReady(cluster: LabCluster, peer: string): Promise<void> {
  await eventually(
    `${peer} in ${cluster.name} to be Ready`,
    healingMs,
    async () => {
      const ready = await condition(cluster, peer, 'Ready');
      if (ready?.status === 'True') return true;
      throw new Error(`${ready?.reason}: ${ready?.message}`);
    },
    200,
  );
}

async function states(lab: Lab): Promise<Readonly<Record<string, Readonly<Record<string, unknown>>>>> {
  const all = await Promise.all(
    lab.clusters.map(async (cluster) => [cluster.name, await producedState(cluster)] as const),
  );
  return Object.fromEntries(all);
}
