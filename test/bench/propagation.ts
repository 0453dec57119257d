import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { publicLabel } from '../demo/scene.js';
import { eventually } from '../demo/story.js';
import {
  applyDeployment,
  clientTemplate,
  demoNamespace,
  deploymentsAvailable,
  federateAll,
  injectSidecar,
  repositoryDirectory,
  startLab,
} from '../lab/index.js';
import type { Lab, LabCluster } from '../lab/index.js';
import { figuresOf, table } from './figures.js';
import type { Figures } from './figures.js';

export interface PropagationWish {
  readonly services: number;
  readonly proxies: number;
  readonly rounds: number;
  readonly pollRounds: number;
  readonly say: (line: string) => void;
}

export interface PropagationResult {
  readonly services: number;
  readonly proxies: number;
  readonly streamed: Figures;
  readonly polledEveryMinute: Figures;
}

/** From just before the PATCH that labels a service in B to A's Envoy listing its endpoint: streamed, and polled every minute. */
export async function benchPropagation(wish: PropagationWish): Promise<PropagationResult> {
  const streamed = await withLab(wish, true, (lab) => rounds(lab, wish.rounds, wish));
  const polled = await withLab(wish, false, (lab) => rounds(lab, wish.pollRounds, wish));
  const result = {
    services: wish.services,
    proxies: wish.proxies,
    streamed: figuresOf(streamed),
    polledEveryMinute: figuresOf(polled),
  };
  wish.say(
    table([
      ['label set → endpoint in the other cluster’s Envoy', 'rounds', 'min', 'p50', 'p99', 'max'],
      ['streamed', ...cells(result.streamed)],
      ['polled every minute', ...cells(result.polledEveryMinute)],
    ]),
  );
  return result;
}

function cells({ rounds: count, min, p50, p99, max }: Figures): readonly string[] {
  return [String(count), ...[min, p50, p99, max].map((ms) => `${ms} ms`)];
}

async function withLab<T>(wish: PropagationWish, streams: boolean, work: (lab: Lab) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const values = join(folder, 'values.yaml');
  writeFileSync(values, `controller:\n  documents: { streams: ${streams}, pollSeconds: ${streams ? 15 : 60} }\n`);
  wish.say(
    `starting two clusters (${streams ? 'streams' : 'polling every minute'}) with ${wish.services} exported services and ${wish.proxies} proxies`,
  );
  const lab = await startLab({ clusters: 2, peers: false, values: [values], progress: wish.say });
  try {
    await populate(lab, wish);
    await federateAll(lab);
    return await work(lab);
  } finally {
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Services share echo's pods, each with a port of its own; the crowd's sidecars only listen to the mesh core. */
async function populate(lab: Lab, { services, proxies }: PropagationWish): Promise<void> {
  const [a, b] = lab.clusters as [LabCluster, LabCluster];
  for (let index = 0; index < services; index += 1)
    await b.api.apply(
      `/api/v1/namespaces/${demoNamespace}/services/s${index}`,
      service(`s${index}`, 10_000 + index, true),
    );
  await b.api.apply(`/api/v1/namespaces/${demoNamespace}/services/probe`, service('probe', 8080, false));
  // Client, echo and gateway of each cluster are proxies already.
  const crowd = Math.max(0, Math.ceil((proxies - 6) / 2));
  for (const cluster of [a, b]) {
    await applyDeployment(cluster, demoNamespace, clientTemplate('crowd'), { inject: injectSidecar, replicas: crowd });
    await deploymentsAvailable(cluster, demoNamespace);
  }
}

function service(name: string, targetPort: number, isPublic: boolean): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: demoNamespace, labels: isPublic ? { [publicLabel]: '' } : {} },
    spec: { selector: { app: 'echo' }, ports: [{ name: 'http', port: 80, targetPort }] },
  };
}

async function rounds(lab: Lab, count: number, wish: PropagationWish): Promise<readonly number[]> {
  const [a, b] = lab.clusters as [LabCluster, LabCluster];
  const cluster = 'outbound|80||probe.demo.svc.west.example';
  const poller = lab.spawnIn(a.name, demoNamespace, 'client', [
    join(repositoryDirectory(), 'node_modules/node/bin/node'),
    join(repositoryDirectory(), 'dist/test/bench/poller.js'),
  ]);
  poller.stderr.on('data', (chunk: Buffer) => wish.say(chunk.toString('utf8').trim()));
  const lines: number[] = [];
  createInterface({ input: poller.stdout }).on('line', (line) => lines.push(Number(line)));
  const wait = async (which: string): Promise<number> => {
    const before = lines.length;
    poller.stdin.write(`${which} ${cluster}\n`);
    return eventually(`the endpoint to ${which}`, 150_000, async () => lines[before], 1);
  };
  const patch = (value: string | null): Promise<unknown> =>
    b.api.patch(`/api/v1/namespaces/${demoNamespace}/services/probe`, {
      metadata: { labels: { [publicLabel]: value } },
    });
  const times: number[] = [];
  // The first rounds warm up code and connections and are not counted, when there are enough of them.
  const warmUp = count >= 10 ? 3 : 0;
  for (let index = -warmUp; index < count; index += 1) {
    const seen = wait('appear');
    await new Promise((done) => setTimeout(done, 20));
    const started = performance.timeOrigin + performance.now();
    await patch('');
    const ms = (await seen) - started;
    if (index >= 0) times.push(ms);
    const vanished = wait('vanish');
    await patch(null);
    await vanished;
    // Rounds start at random moments of whatever cycles there are.
    await new Promise((done) => setTimeout(done, 100 + 400 * Math.random()));
    if (index % 10 === 9) wish.say(`${index + 1} of ${count} rounds`);
  }
  poller.stdin.end();
  poller.kill('SIGTERM');
  return times;
}
