import { demoNamespace, startLoad } from '../lab/index.js';
import type { ApiObject, LabCluster, RunningLoad } from '../lab/index.js';
import { multicluster, remoteSecret } from './multicluster.js';
import type { ThreeClusters } from './multicluster.js';
import { noFailures, untilAnswered } from './scene.js';
import { eventually, patienceMs } from './story.js';
import type { Story } from './story.js';
import { exposeWest, onlyWest } from './west-only.js';

const clusterConfigMap = '/api/v1/namespaces/isthmus-system/configmaps/isthmus-cluster';
const caReport = '/api/v1/namespaces/isthmus-system/configmaps/isthmus-ca';

interface ConfigMap extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

interface Report {
  readonly phase: string;
  readonly roots: readonly string[];
}

/** Root and signing key of one cluster replaced while both others call it, every call over a connection of its own. */
export async function replaceTrust(scene: ThreeClusters, story: Story): Promise<void> {
  const { east, west, north } = scene;
  const title = 'west’s root CA and signing key replaced under load from both others, each call a new connection';
  await story.step(title, async (say) => {
    await callAnew(scene);
    // West's pod is a new one, and each of the two hears of it by a way of its own.
    for (const cluster of [east, north]) await untilAnswered(scene.lab, cluster, 'call-http', `http://${onlyWest}/`);
    const loads = [east, north].map((cluster) => loadFrom(scene, cluster));
    await eventually('calls', patienceMs, async () => (loads.every((load) => answered(load) > 5) ? true : undefined));
    const before = await reportOf(west);
    const [keyBefore, secretBefore] = [await signingKey(east, west), await secretOf(east, west)];
    const request = `demo-${Date.now()}`;
    await west.api.patch(clusterConfigMap, {
      metadata: { annotations: { 'isthmus.dev/rotate-root': request, 'isthmus.dev/rotate-signing-key': request } },
    });
    const started = performance.now();
    for (const [phase, seen] of [
      ['announced', 'the new root is trusted beside the old one, which still issues'],
      ['leaving', 'the new root issues, certified by the old one too'],
      ['issuing', 'the last certificate under the old root has ended: it is dropped'],
    ] as const) {
      await eventually(phase, 150_000, async () => ((await reportOf(west)).phase === phase ? true : undefined), 200);
      say(`after ${seconds(performance.now() - started)}: ${seen}`);
    }
    const after = await reportOf(west);
    if (after.roots.length !== 1 || before.roots.includes(after.roots[0] ?? ''))
      throw new Error(`roots before: ${before.roots.join(', ')}; after: ${after.roots.join(', ')}`);
    await Promise.all([east, north].map((cluster) => knowsOnly(cluster, west, after.roots[0] ?? '')));
    const key = await eventually('the new signing key', patienceMs, async () => {
      const now = await signingKey(east, west);
      return now === keyBefore ? undefined : now;
    });
    if ((await secretOf(east, west)) !== secretBefore) throw new Error('east’s remote Secret changed');
    const reports = await Promise.all(loads.map((load) => load.stop()));
    reports.forEach(noFailures);
    await east.api.delete(ruleOf);
    return `root ${before.roots[0]?.slice(0, 15)}… → ${after.roots[0]?.slice(0, 15)}…, key ${keyBefore?.slice(0, 8)}… → ${key.slice(0, 8)}…
east’s remote Secret is the same; ${reports.map(({ calls }) => calls).join(' + ')} calls, 0 failed`;
  });
}

const ruleOf = `/apis/networking.istio.io/v1/namespaces/${demoNamespace}/destinationrules/west-only`;

/** A service that only west has, and callers that shake hands anew for each request. */
async function callAnew({ east, north, west }: ThreeClusters): Promise<void> {
  await exposeWest(west);
  const once = { connectionPool: { http: { maxRequestsPerConnection: 1 } } };
  for (const cluster of [east, north])
    await cluster.api.apply(ruleOf, {
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'west-only', namespace: demoNamespace },
      spec: { host: onlyWest, trafficPolicy: once },
    });
}

function loadFrom({ lab }: ThreeClusters, { name }: LabCluster): RunningLoad {
  const target = `http://${onlyWest}/`;
  return startLoad(lab, {
    cluster: name,
    namespace: demoNamespace,
    pod: 'client',
    tool: 'call-http',
    target,
    rate: 20,
  });
}

function answered(load: RunningLoad): number {
  const { calls = 0, failures = 0 } = load.latest() ?? {};
  return calls - failures;
}

async function signingKey(cluster: LabCluster, peer: LabCluster): Promise<string | undefined> {
  return (await multicluster(cluster, peer))?.status?.peer?.keys?.find(({ state }) => state === 'Trusted')?.kid;
}

async function secretOf(cluster: LabCluster, peer: LabCluster): Promise<string> {
  return JSON.stringify(await cluster.api.get(remoteSecret(peer)));
}

async function reportOf(cluster: LabCluster): Promise<Report> {
  const found = await cluster.api.get<ConfigMap>(caReport);
  return JSON.parse(found?.data?.['rotation.json'] ?? '{"phase":"none","roots":[]}') as Report;
}

async function knowsOnly(cluster: LabCluster, peer: LabCluster, root: string): Promise<void> {
  await eventually(
    `${cluster.name} to know ${peer.name} by its new root alone`,
    patienceMs,
    async () => {
      const roots = (await multicluster(cluster, peer))?.status?.peer?.roots ?? [];
      if (roots.length === 1 && roots[0]?.fingerprint.includes(root) === true) return true;
      throw new Error(`its status names ${JSON.stringify(roots)}`);
    },
    200,
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
