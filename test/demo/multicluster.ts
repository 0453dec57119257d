import {
  demoNamespace,
  deploymentsAvailable,
  joinAll,
  multiclusterIsReady,
  runCommand,
  startLoad,
} from '../lab/index.js';
import type { ApiObject, Lab, LabCluster, RunningLoad } from '../lab/index.js';
import { mintCertificate } from './certificates.js';
import { replaceTrust } from './root-change.js';
import { call, closedAtDoor, gatewayAddress, holdConnection, mustRefuse, noFailures } from './scene.js';
import type { Condition } from './scene.js';
import { eventually, patienceMs } from './story.js';
import type { Story } from './story.js';
import { callWestOnly } from './west-only.js';

const multiclusters = '/apis/isthmus.dev/v1alpha1/istiomulticlusters';
const echo = 'echo.demo.svc.cluster.local';
/** Un-trusting takes an idle machine half a second. */
const cutWithinMs = 30_000;

/** Three co-dependent clusters: east and west on one network, north on another. */
export interface ThreeClusters {
  readonly lab: Lab;
  readonly east: LabCluster;
  readonly west: LabCluster;
  readonly north: LabCluster;
}

interface Multicluster extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly peer?: {
      readonly keys?: readonly { readonly kid: string; readonly state: string }[];
      readonly roots?: readonly { readonly fingerprint: string }[];
    };
    readonly remote?: { readonly services?: number; readonly endpoints?: number };
  };
}

/** One service in three clusters, through everything that may befall them. */
export async function tellMulticluster(scene: ThreeClusters, story: Story): Promise<void> {
  await join(scene, story);
  await spread(scene, story);
  await callWestOnly(scene, story);
  await failOver(scene, story);
  await replaceTrust(scene, story);
  await stopApiServer(scene, story);
  await untrust(scene, story);
}

async function join({ lab, east, west, north }: ThreeClusters, story: Story): Promise<void> {
  await story.step(
    'an IstioMulticluster for each other cluster on every side; all become Ready',
    async () => {
      await joinAll(lab);
      const known = await Promise.all([west, north].map(async (peer) => remoteOf(east, peer)));
      return known.map((text) => `east about ${text}`).join('\n');
    },
    true,
  );
}

async function remoteOf(cluster: LabCluster, peer: LabCluster): Promise<string> {
  const { services, endpoints } = (await multicluster(cluster, peer))?.status?.remote ?? {};
  return `${peer.name}: ${services} services and ${endpoints} endpoints read through its API proxy`;
}

async function spread(scene: ThreeClusters, story: Story): Promise<void> {
  await story.step('echo runs in all three; calls from east stay in its zone', async () => {
    const counts = await eventually('answers by east alone', patienceMs, async () => {
      const seen = await whoAnswers(scene, 20);
      return seen.size === 1 && seen.has('east') ? seen : undefined;
    });
    return told(counts);
  });
  await story.step(
    'a DestinationRule spreads them: 70 % in the zone, 30 % to west’s zone of the same region',
    async () => {
      await applyLocality(scene, { 'region-1/a/*': 70, 'region-1/b/*': 30 });
      const counts = await eventually('answers by east and west', patienceMs, async () => {
        const seen = await whoAnswers(scene, 60);
        const west = seen.get('west') ?? 0;
        return west >= 6 && west <= 32 && (seen.get('north') ?? 0) === 0 ? seen : undefined;
      });
      await scene.east.api.delete(ruleOf(demoNamespace));
      return told(counts);
    },
  );
}

function ruleOf(namespace: string): string {
  return `/apis/networking.istio.io/v1/namespaces/${namespace}/destinationrules/echo`;
}

async function applyLocality({ east }: ThreeClusters, to: Readonly<Record<string, number>>): Promise<void> {
  await east.api.apply(ruleOf(demoNamespace), {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'echo', namespace: demoNamespace },
    spec: {
      host: echo,
      trafficPolicy: {
        loadBalancer: { localityLbSetting: { enabled: true, distribute: [{ from: 'region-1/a/*', to }] } },
        outlierDetection: { consecutive5xxErrors: 5 },
      },
    },
  });
}

/** Clusters that answered so many calls out of east's client. */
async function whoAnswers({ lab, east }: ThreeClusters, calls: number): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const lanes = Array.from({ length: 4 }, async () => {
    for (let index = 0; index < calls / 4; index += 1) {
      const result = await call(lab, east, 'call-http', `http://${echo}/`);
      const by = result.ok
        ? String((result.body as { cluster?: unknown }).cluster)
        : `error ${result.error ?? result.status}`;
      counts.set(by, (counts.get(by) ?? 0) + 1);
    }
  });
  await Promise.all(lanes);
  return counts;
}

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([cluster, count]) => `${cluster} ${count}`).join(', ');
}

async function scaleEcho(cluster: LabCluster, replicas: number): Promise<void> {
  await cluster.api.patch(`/apis/apps/v1/namespaces/${demoNamespace}/deployments/echo`, { spec: { replicas } });
}

function loadFromEast({ lab, east }: ThreeClusters): RunningLoad {
  return startLoad(lab, {
    cluster: east.name,
    namespace: demoNamespace,
    pod: 'client',
    tool: 'call-http',
    target: `http://${echo}/`,
    rate: 20,
  });
}

async function failOver(scene: ThreeClusters, story: Story): Promise<void> {
  const answeredBy = (cluster: string): Promise<number> => {
    const started = performance.now();
    return eventually(
      `answers by ${cluster}`,
      patienceMs,
      async () => {
        const seen = await whoAnswers(scene, 4);
        return seen.size === 1 && seen.has(cluster) ? performance.now() - started : undefined;
      },
      20,
    );
  };
  await story.step(
    'east’s pods scaled to zero under load, then west’s: calls go to west, then to north through its gateway',
    async () => {
      const load = loadFromEast(scene);
      await eventually('calls', patienceMs, async () => ((load.latest()?.calls ?? 0) > 10 ? true : undefined));
      await scaleEcho(scene.east, 0);
      const toWest = await answeredBy('west');
      await scaleEcho(scene.west, 0);
      const toNorth = await answeredBy('north');
      const report = noFailures(await load.stop());
      return `west after ${seconds(toWest)}, north after ${seconds(toNorth)}; ${report}`;
    },
  );
  await story.step('pods are back: so are the calls, zone first', async () => {
    await Promise.all([scaleEcho(scene.east, 1), scaleEcho(scene.west, 1)]);
    return `after ${seconds(await answeredBy('east'))}`;
  });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Path of the Secret by which the mesh core reads a peer. */
export function remoteSecret(peer: LabCluster): string {
  return `/api/v1/namespaces/istio-system/secrets/istio-remote-secret-${peer.name}`;
}

async function stopApiServer(scene: ThreeClusters, story: Story): Promise<void> {
  const { lab, east, west } = scene;
  await story.step('west’s API server stopped, our mesh core killed: endpoints stay, status tells', async () => {
    const load = loadFromEast(scene);
    await scaleEcho(east, 0);
    await eventually('answers by west', patienceMs, async () =>
      (await whoAnswers(scene, 4)).has('west') ? true : undefined,
    );
    lab.kill('west', 'kube-apiserver', { signal: 'SIGSTOP' });
    try {
      const said = await eventually(
        'east’s status to tell',
        patienceMs,
        async () => {
          const found = [
            await conditionOf(east, west, 'ApiAccessible'),
            await conditionOf(east, west, 'RegistrySynced'),
          ];
          return found.find((each) => each?.status === 'False');
        },
        200,
      );
      const meanwhile = await whoAnswers(scene, 8);
      if (!meanwhile.has('west')) throw new Error(`west’s endpoints are gone: ${told(meanwhile)}`);
      lab.kill('east', 'mesh');
      await eventually('a new mesh core to go on with what was kept', patienceMs, async () => {
        const message = (await conditionOf(east, west, 'RegistrySynced'))?.message;
        if (message?.includes('what was kept') === true) return true;
        throw new Error(message);
      });
      const afterwards = await whoAnswers(scene, 8);
      if (!afterwards.has('west')) throw new Error(`east’s new mesh core knows nothing of west: ${told(afterwards)}`);
      return `${said.type} ${said.reason}; answered meanwhile by: ${told(meanwhile)}; by a new mesh core: ${told(afterwards)}`;
    } finally {
      lab.kill('west', 'kube-apiserver', { signal: 'SIGCONT' });
      await multiclusterIsReady(east, west.name);
      await scaleEcho(east, 1);
      await deploymentsAvailable(east, demoNamespace);
      noFailures(await load.stop());
    }
  });
}

async function untrust(scene: ThreeClusters, story: Story): Promise<void> {
  const { lab, east, north } = scene;
  await story.step(
    'east un-trusts north by one command: its open connection is cut, and it is told what was cut',
    async () => {
      const files = await mintCertificate(lab, north, 'spiffe://north.example/ns/demo/sa/client', 'north-client');
      const open = await holdConnection({ lab, a: north, b: east }, await gatewayAddress(east), files, echo);
      const started = performance.now();
      const command = revoke(east, 'istiomulticluster/north');
      const end = await open.end;
      const refusedAfter = performance.now() - started;
      const told = await command;
      // North reads east's registry as east reads north's: both ends are told.
      const notRead = /√ [1-9]\d* services? of its registry no longer read/;
      if (!notRead.test(told)) throw new Error(`what was cut is not told (${notRead.source}): ${told}`);
      await closedAtDoor(east, told, /closed \d+ streams?, [1-9]\d* watch/);
      if (refusedAfter > cutWithinMs) throw new Error(`after ${seconds(refusedAfter)}: ${JSON.stringify(end)}`);
      if (end.status !== 403) mustRefuse('its open connection', end);
      await eventually('the remote Secret to go', patienceMs, async () =>
        (await east.api.get(remoteSecret(north))) === undefined ? true : undefined,
      );
      return `${told}\nrefused (${end.status ?? end.refused}) ${Math.round(refusedAfter)} ms after the command was typed; its remote Secret is gone`;
    },
  );
}

/** `isthmus trust revoke`, as the operator types it. */
async function revoke(cluster: LabCluster, peer: string): Promise<string> {
  const program = [
    process.execPath,
    'dist/apps/controller/src/command/main.js',
    '--kubeconfig',
    cluster.files.kubeconfig,
  ];
  const { code, stdout, stderr } = await runCommand([...program, 'trust', 'revoke', peer], { timeoutMs: patienceMs });
  if (code !== 0) throw new Error(stderr.trim());
  return stdout.trim();
}

export async function multicluster(cluster: LabCluster, peer: LabCluster): Promise<Multicluster | undefined> {
  return cluster.api.get<Multicluster>(`${multiclusters}/${peer.name}`);
}

async function conditionOf(cluster: LabCluster, peer: LabCluster, type: string): Promise<Condition | undefined> {
  return (await multicluster(cluster, peer))?.status?.conditions?.find((each) => each.type === type);
}
