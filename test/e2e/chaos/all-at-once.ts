import { call, condition } from '../../demo/scene.js';
import type { Condition } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import {
  demoNamespace,
  deploymentsAvailable,
  readyPod,
  releaseNamespace,
  sendSignal,
  startLoad,
} from '../../lab/index.js';
import type { ApiObject, CallResult, Lab, LabCluster, LoadReport } from '../../lab/index.js';
import { healed, victims } from './chaos-run.js';
import { producedState } from './state.js';

export interface AllAtOnce {
  readonly before: Readonly<Record<string, unknown>>;
  /** What the new control plane says of its peer. */
  readonly silent: Condition;
  readonly after: Readonly<Record<string, unknown>>;
  /** A call through a sidecar that was started after the loss. */
  readonly answer: CallResult;
  /** Calls that went on all the while, until that sidecar took the old one's place. */
  readonly loads: LoadReport;
}

interface Pod extends ApiObject {
  readonly status?: { readonly podIP?: string };
}

/** Kills all of the caller's control plane at once while the other cluster's door is gone; ends with both as they were. */
export async function loseAll(lab: Lab, host: string): Promise<AllAtOnce> {
  const [east, west] = [lab.cluster('east'), lab.cluster('west')];
  await healed(lab);
  await scaleDoor(west, 0);
  await toldSilent(east, west);
  const before = await producedState(east);
  const load = startLoad(lab, {
    cluster: east.name,
    namespace: demoNamespace,
    pod: 'client',
    tool: 'call-http',
    target: `http://${host}/`,
    rate: 10,
    timeoutMs: 15_000,
  });
  await eventually('calls', patienceMs, async () => ((load.latest()?.calls ?? 0) > 5 ? true : undefined));
  const old = new Set(victims.flatMap((victim) => lab.pids(east.name)[victim] ?? []));
  for (const pid of old) sendSignal(pid, 'SIGKILL');
  await eventually('a new process of each kind', patienceMs, async () => {
    const now = lab.pids(east.name);
    const missing = victims.filter((victim) => now[victim]?.some((pid) => !old.has(pid)) !== true);
    if (missing.length === 0) return true;
    throw new Error(`there is none of ${missing.join(', ')}`);
  });
  await eventually('the new controller to have published', patienceMs, () => published(lab, east));
  await Promise.all([releaseNamespace, 'istio-system'].map((namespace) => deploymentsAvailable(east, namespace)));
  const loads = await load.stop();
  await replaceClient(east);
  const answer = await call(lab, east, 'call-http', `http://${host}/`);
  const outcome = {
    before,
    silent: await toldSilent(east, west),
    after: await producedState(east),
  };
  await scaleDoor(west, 1);
  await healed(lab);
  return { ...outcome, answer, loads };
}

async function scaleDoor({ api }: LabCluster, replicas: number): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${releaseNamespace}/deployments/isthmus-metadata-api`;
  await api.patch(path, { spec: { replicas } });
}

async function toldSilent(cluster: LabCluster, peer: LabCluster): Promise<Condition> {
  return eventually(`${cluster.name} to notice that ${peer.name} is silent`, patienceMs, async () => {
    const synced = await condition(cluster, peer.name, 'MetadataSynced');
    return synced?.status === 'False' ? synced : undefined;
  });
}

/** Whether a controller that leads has gone through all peers and Services since it started. */
async function published(lab: Lab, { name, api }: LabCluster): Promise<true | undefined> {
  const pods = await api.list<Pod>(`/api/v1/namespaces/${releaseNamespace}/pods`);
  const controllers = pods.items.filter(({ metadata }) => metadata.name.startsWith('isthmus-controller-'));
  for (const { status } of controllers) {
    const { stdout } = await lab.runIn(name, ['curl', '-s', `http://${status?.podIP ?? ''}:8080/metrics`]);
    if (/^isthmus_publication_seconds_count(\{.*\})? [1-9]/m.test(stdout)) return true;
  }
  return undefined;
}

/** The client's pod deleted: the next one's sidecar has to be told everything by the new control plane. */
async function replaceClient(cluster: LabCluster): Promise<void> {
  const pods = `/api/v1/namespaces/${demoNamespace}/pods`;
  const old = await eventually('a ready client', patienceMs, () => readyPod(cluster, demoNamespace, 'client'));
  await cluster.api.delete(`${pods}/${old}`);
  await eventually('another client', patienceMs, async () =>
    (await readyPod(cluster, demoNamespace, 'client')) === old ? undefined : true,
  );
  await eventually('the old client to be gone', patienceMs, async () =>
    (await cluster.api.get(`${pods}/${old}`)) === undefined ? true : undefined,
  );
}
