import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  clusterFacts,
  deploymentsAvailable,
  helmUpgrade,
  multiclusterFor,
  multiclusterIsReady,
  startLab,
  startLoad,
} from '../../lab/index.js';
import type { ApiObject, ClusterFacts, Lab, LabCluster, RunningLoad } from '../../lab/index.js';
import { multicluster, remoteSecret } from '../../demo/multicluster.js';
import { call, closedAtDoor } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { caseLimitMs } from '../limits.js';
import {
  badNews,
  doorCertificate,
  doorSecretOf,
  firstGatewayGoes,
  isthmus,
  keepLooking,
  rotatingValues,
  secondGateway,
  withoutFailure,
  withoutStalls,
} from './operator.js';

const multiclusters = '/apis/isthmus.dev/v1alpha1/istiomulticlusters';
const folder = mkdtempSync(join(tmpdir(), 'isthmus-rotation-'));
let lab: Lab;
let east: LabCluster;
let west: LabCluster;
let facts: ClusterFacts;

jest.setTimeout(caseLimitMs);

beforeAll(async () => {
  const [file, elsewhere] = [join(folder, 'values.json'), join(folder, 'elsewhere.json')];
  writeFileSync(file, JSON.stringify(rotatingValues));
  writeFileSync(elsewhere, JSON.stringify({ network: 'elsewhere' }));
  lab = await startLab({ clusters: 2, multicluster: true, peers: false, values: [file] });
  [east, west] = lab.clusters as [LabCluster, LabCluster];
  // On a network of its own west is reached through its gateway, whose address is then of interest.
  await helmUpgrade(lab, west, [file, elsewhere], 1, true);
  await Promise.all(['isthmus-system', 'istio-system'].map((namespace) => deploymentsAvailable(west, namespace)));
  await Promise.all([joins(east, west), joins(west, east)]);
  await Promise.all([multiclusterIsReady(east, 'west'), multiclusterIsReady(west, 'east')]);
  facts = await clusterFacts(east);
  await east.api.patch('/apis/apps/v1/namespaces/demo/deployments/echo', { spec: { replicas: 0 } });
  await eventually('an answer by west', patienceMs, async () => {
    const { ok, body } = await call(lab, east, 'call-http', 'http://echo.demo/');
    return ok && (body as { cluster?: string }).cluster === 'west' ? true : undefined;
  });
});

afterAll(async () => {
  await lab?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Each side is told the other door's certificate as it is now, and never again. */
async function joins(cluster: LabCluster, peer: LabCluster): Promise<void> {
  const resource = multiclusterFor(peer) as { readonly spec: object };
  const spec = { ...resource.spec, metadata: { ca: await doorCertificate(peer) } };
  await cluster.api.apply(`${multiclusters}/${peer.name}`, { ...resource, spec });
}

function loads(): readonly RunningLoad[] {
  const wish = { cluster: 'east', namespace: 'demo', pod: 'client', rate: 20, timeoutMs: 15_000 } as const;
  return [
    startLoad(lab, { ...wish, tool: 'call-http', target: 'http://echo.demo/' }),
    startLoad(lab, { ...wish, tool: 'call-grpc', target: 'echo.demo:9090' }),
  ];
}

/** What east said of west that was no good news, what the way out answered other than 200, and the remote Secrets there were. */
function watchWest(): { readonly stop: () => Promise<{ bad: readonly string[]; secrets: number }> } {
  const [bad, secrets] = [new Set<string>(), new Set<string>()];
  const looking = keepLooking(200, async () => {
    for (const news of badNews((await multicluster(east, west))?.status?.conditions)) bad.add(news);
    secrets.add(JSON.stringify(await east.api.get(remoteSecret(west))));
  });
  const asking = keepLooking(500, async () => {
    const status = await ask('/peers/west/api/v1/namespaces/demo/services');
    if (status !== '200') bad.add(`the way out answered ${status}`);
  });
  return {
    stop: async () => {
      const [looked, asked] = await Promise.all([looking.stop(), asking.stop()]);
      for (const { looks } of [looked, asked]) expect(looks).toBeGreaterThan(5);
      return { bad: withoutStalls(bad, looked), secrets: secrets.size };
    },
  };
}

/** Status of one request to west's API server through the way out, as a local reader of east. */
async function ask(path: string): Promise<string> {
  const { address = '', ca = '', credentialFile = '' } = facts.apiProxy ?? {};
  const name = 'isthmus-way-out.isthmus-system.svc';
  const [ip = '', port = ''] = address.split(':');
  const where = ['--cacert', ca, '--resolve', `${name}:${port}:${ip}`, '-o', '/dev/null', '-w', '%{http_code}'];
  const flags = ['-sS', '--max-time', '25', '-H', `authorization: Bearer ${readFileSync(credentialFile, 'utf8')}`];
  return (await lab.runIn(east.name, ['curl', ...flags, ...where, `https://${name}:${port}${path}`])).stdout;
}

async function servicesRead(): Promise<number> {
  return (await multicluster(east, west))?.status?.remote?.services ?? 0;
}

/** That west is heard still: a Service that is new there is read here. */
async function newsComeFrom(name: string): Promise<void> {
  const before = await servicesRead();
  await west.api.apply(`/api/v1/namespaces/demo/services/${name}`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'demo' },
    spec: { selector: { app: 'echo' }, ports: [{ name: 'http', port: 80 }] },
  });
  await eventually('the new Service to be read', patienceMs, async () =>
    (await servicesRead()) === before + 1 ? true : undefined,
  );
}

describe('what is replaced by one command, under load, in a cluster whose registry is read', () => {
  it('signing key, root and the door’s certificate at once: no call and no request fails, no condition turns, the remote Secret stays', async () => {
    const running = loads();
    const watching = watchWest();
    const [keys, old] = [(await multicluster(east, west))?.status?.peer?.keys, await doorCertificate(west)];
    await Promise.all(
      ['signing-key', 'root', 'door-certificate'].map((what) => isthmus(west, 'trust', 'rotate', what)),
    );
    await eventually('the old certificate to be told no more', patienceMs, async () => {
      const authorities = (await doorSecretOf(west))?.data?.['ca.crt'] ?? '';
      return Buffer.from(authorities, 'base64').includes(old.trim()) ? undefined : true;
    });
    expect((await multicluster(east, west))?.status?.peer?.keys).not.toEqual(keys);
    await newsComeFrom('after-rotation');
    await withoutFailure(running);
    const { bad, secrets } = await watching.stop();
    expect([bad, secrets]).toEqual([[], 1]);
  });

  it('gateway addresses: both lead to it, then the new one alone, and nobody is read anew', async () => {
    const before = await servicesRead();
    const address = await secondGateway(lab, west, east);
    const first = west.plan.gatewayAddress;
    const gateways = async (): Promise<string> => {
      const config = await east.api.get<ApiObject & { data?: Readonly<Record<string, string>> }>(
        '/api/v1/namespaces/istio-system/configmaps/istio',
      );
      const told = Object.values(
        JSON.parse(config?.data?.['clusterGateways'] ?? '{}') as Record<
          string,
          { readonly network: string; readonly gateways?: readonly { readonly address: string }[] }
        >,
      );
      const own = told.find(({ network }) => network === 'elsewhere')?.gateways ?? [];
      return own.map((each) => each.address).join(' ');
    };
    const know = (...wanted: readonly string[]): Promise<boolean> =>
      eventually(`clusterGateways to name ${wanted.join(' and ')}`, patienceMs, async () => {
        const known = await gateways();
        if (known === [...wanted].sort().join(' ')) return true;
        throw new Error(known);
      });
    await know(first);
    const running = loads();
    const watching = watchWest();
    await Promise.all([
      isthmus(west, 'trust', 'rotate', 'gateway-addresses', '--to', `${address}:15443`),
      know(first, address),
    ]);
    await know(address);
    await eventually('the second Service to be read', patienceMs, async () =>
      (await servicesRead()) === before + 1 ? true : undefined,
    );
    await firstGatewayGoes(west);
    await eventually('the first Service to be gone', patienceMs, async () =>
      (await servicesRead()) === before ? true : undefined,
    );
    await withoutFailure(running);
    const { bad, secrets } = await watching.stop();
    expect([bad, secrets]).toEqual([[], 1]);
  });

  it('and a way out that starts afterwards takes the door’s new certificate for west’s', async () => {
    // Connections that were open saw no certificate: the new one is known by the signed document alone.
    const pods = '/api/v1/namespaces/isthmus-system/pods';
    const { items } = await east.api.list<ApiObject>(pods);
    const [old, ...others] = items.filter(({ metadata }) => metadata.name.startsWith('isthmus-way-out-'));
    expect(others).toEqual([]);
    const path = `${pods}/${old?.metadata.name ?? ''}`;
    await east.api.delete(path);
    await eventually('the old way out to be gone', patienceMs, async () =>
      (await east.api.get(path)) === undefined ? true : undefined,
    );
    await eventually('a new way out to reach west', patienceMs, async () =>
      (await ask('/peers/west/version')) === '200' ? true : undefined,
    );
    await newsComeFrom('after-restart');
  });
});

describe('trust in a cluster whose registry is read, withdrawn by one command', () => {
  it('tells how many services are read no longer, and which watches were closed', async () => {
    const read = await servicesRead();
    expect(read).toBeGreaterThan(0);
    const told = await isthmus(east, 'trust', 'revoke', 'istiomulticluster/west');
    expect(told).toContain(`√ ${read} services of its registry no longer read`);
    // West reads east's registry too: those watches end with the trust.
    const watches = /metadata-api \S+ closed \d+ streams?, [1-9]\d* watch(es)? and \d+ requests? of this peer/;
    await closedAtDoor(east, told, watches);
    expect(told).not.toMatch(/imported service|offered to it/);
    expect(await east.api.get(remoteSecret(west))).toBeUndefined();
  });
});
