import { demoNamespace, federationIsReady, releaseNamespace, startLoad } from '../lab/index.js';
import type { ApiObject, Lab, LabCluster } from '../lab/index.js';
import { federation, noFailures } from './scene.js';
import type { Scene } from './scene.js';
import { eventually, patienceMs } from './story.js';
import type { Story } from './story.js';

const fewestCalls = 50;
const fewestFetches = 5;
const document = /^isthmus_door_requests_total\{.*route="\/metadata\/private\/federation\.json".*status="(200|304)"/;
const deployment = '/apis/apps/v1/namespaces/isthmus-system/deployments/isthmus-controller';

interface Deployment extends ApiObject {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly env: readonly Variable[] }[] } };
  };
}

interface Variable {
  readonly name: string;
  readonly value?: string;
}

interface Pod extends ApiObject {
  readonly status?: { readonly podIP?: string };
}

/**
 * West's signing key replaced while workloads call and west's controller asks east's door every second: by poll, since one stream would show
 * one token only.
 */
export async function rotateKey(scene: Scene, story: Story, host: string): Promise<void> {
  const { lab, a, b } = scene;
  const title =
    'west’s signing key rotated under load: announced, used, the old one honoured; no call fails, no door refuses';
  await story.step(title, async () => {
    await askByPoll(scene);
    const load = startLoad(lab, {
      cluster: a.name,
      namespace: demoNamespace,
      pod: 'client',
      tool: 'call-http',
      target: `http://${host}/`,
      rate: 20,
    });
    const refusedBefore = await Promise.all([a, b].map((cluster) => refusals(lab, cluster)));
    const before = await currentKey(scene);
    if (before === undefined) throw new Error('east trusts no key of west');
    const fetchedBefore = await fetches(lab, a);
    await b.api.patch('/api/v1/namespaces/isthmus-system/configmaps/isthmus-cluster', {
      metadata: { annotations: { 'isthmus.dev/rotate-signing-key': `demo-${Date.now()}` } },
    });
    const after = await eventually(
      'the new key',
      patienceMs,
      async () => {
        const key = await currentKey(scene);
        return key === before ? undefined : key;
      },
      200,
    );
    const fetchedByOld = (await fetches(lab, a)) - fetchedBefore;
    const fetchedByNew = await eventually('fetches with the new key', patienceMs, async () => {
      const more = (await fetches(lab, a)) - fetchedBefore - fetchedByOld;
      return more > fewestFetches ? more : undefined;
    });
    await Promise.all([federationIsReady(a, b.name), federationIsReady(b, a.name)]);
    const report = await load.stop();
    const told = noFailures(report);
    if (report.calls < fewestCalls) throw new Error(`only ${told}`);
    if (fetchedByOld < fewestFetches) throw new Error(`only ${fetchedByOld} documents were fetched with the old key`);
    const refused = await Promise.all([a, b].map((cluster) => refusals(lab, cluster)));
    if (JSON.stringify(refused) !== JSON.stringify(refusedBefore))
      throw new Error(`refused before: ${JSON.stringify(refusedBefore)}; after: ${JSON.stringify(refused)}`);
    return `${before.slice(0, 8)}… → ${after.slice(0, 8)}…; ${told}
west fetched east’s document ${fetchedByOld} times with the old key, ${fetchedByNew} times and on with the new one; neither door refused anything`;
  });
}

/** West's controller from now on polls once a second. */
async function askByPoll({ lab, a, b }: Scene): Promise<void> {
  const wanted: Readonly<Record<string, string>> = { ISTHMUS_STREAMS: 'false', ISTHMUS_POLL_SECONDS: '1' };
  const found = await b.api.get<Deployment>(deployment);
  const containers = found?.spec.template.spec.containers.map((container) => ({
    ...container,
    env: container.env.map((each) => (each.name in wanted ? { name: each.name, value: wanted[each.name] } : each)),
  }));
  await b.api.patch(deployment, { spec: { template: { spec: { containers } } } });
  const fetched = await fetches(lab, a);
  await eventually(
    'west to poll',
    patienceMs,
    async () => ((await fetches(lab, a)) > fetched + 3 ? true : undefined),
    200,
  );
}

/** Documents that the cluster's door has given to peers, by poll. */
function fetches(lab: Lab, cluster: LabCluster): Promise<number> {
  return doorCount(lab, cluster, document);
}

function refusals(lab: Lab, cluster: LabCluster): Promise<number> {
  return doorCount(lab, cluster, /^isthmus_door_refusals_total\b/);
}

/** Sum over the lines of the door's metrics that fit, over its replicas. */
async function doorCount(lab: Lab, cluster: LabCluster, series: RegExp): Promise<number> {
  const pods = await cluster.api.list<Pod>(`/api/v1/namespaces/${releaseNamespace}/pods`);
  const addresses = pods.items
    .filter(
      // One that is about to end tells nothing any more.
      ({ metadata: { name, deletionTimestamp } }) =>
        name.startsWith('isthmus-metadata-api-') && deletionTimestamp === undefined,
    )
    .map(({ status }) => status?.podIP ?? '');
  const texts = await Promise.all(
    addresses.map(async (address) => {
      const ask = ['curl', '-sf', `http://${address}:8080/metrics`];
      return (await lab.runIn(cluster.name, ask)).stdout;
    }),
  );
  if (texts.length === 0 || texts.some((text) => !text.includes('isthmus_door_requests_total')))
    throw new Error(`the door of ${cluster.name} tells no metrics`);
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => series.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** The key of west that east takes as current. */
async function currentKey({ a, b }: Scene): Promise<string | undefined> {
  return (await federation(a, b.name))?.status?.peer?.keys?.find(({ state }) => state === 'Trusted')?.kid;
}
