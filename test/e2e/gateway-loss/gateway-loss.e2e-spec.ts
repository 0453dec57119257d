import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { deploymentsAvailable, plugInCa, readyPod, runCommand, startLab, startLoad } from '../../lab/index.js';
import type { ApiObject, Lab, LabCluster, LoadReport, PluggedInCa, RunningLoad } from '../../lab/index.js';
import { mintCertificate } from '../../demo/certificates.js';
import type { CertificateFiles } from '../../demo/certificates.js';
import { inRounds } from '../../harness/rounds.js';
import { call, callGateway, gatewayAddress, label, publicLabel, untilAnswered } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { caseLimitMs } from '../limits.js';

const host = 'echo.demo.svc.west.example';
const authorities: Record<string, PluggedInCa> = {};
const folder = mkdtempSync(join(tmpdir(), 'isthmus-gateway-loss-'));
let lab: Lab;
let east: LabCluster;
let west: LabCluster;

jest.setTimeout(caseLimitMs);

beforeAll(async () => {
  const values = join(folder, 'values.json');
  writeFileSync(values, JSON.stringify({ controller: { documents: { pollSeconds: 3 } } }));
  lab = await startLab({
    clusters: 2,
    replicas: 2,
    values: [values],
    prepare: async (cluster) => {
      authorities[cluster.name] = await plugInCa(cluster, cluster.name === 'east' ? 'rsa' : 'ec');
    },
  });
  [east, west] = lab.clusters as [LabCluster, LabCluster];
  await label(west, 'echo', { [publicLabel]: '' });
  await untilAnswered(lab, east, 'call-http', `http://${host}/`);
});

afterAll(async () => {
  await lab?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Some replica of the door shows it. */
async function publicDocument(cluster: LabCluster): Promise<{ readonly rootCA: string; readonly crl?: string }> {
  const ask = ['curl', '-sk', `${cluster.metadataEndpoint}/public/public.json`];
  return JSON.parse((await lab.runIn(cluster.name, ask)).stdout) as { rootCA: string; crl?: string };
}

describe('workload CAs plugged in by their operators', () => {
  it('are what peers trust: an intermediate each, RSA in east and EC in west', async () => {
    const answer = await call(lab, east, 'call-http', `http://${host}/`);
    expect(JSON.stringify(answer.body)).toContain('spiffe://east.example/ns/demo/sa/client');
    for (const cluster of [east, west]) {
      const { rootCA } = await publicDocument(cluster);
      expect(new X509Certificate(rootCA).fingerprint256).toBe(
        new X509Certificate(authorities[cluster.name]?.root ?? '').fingerprint256,
      );
      expect(await cluster.api.get('/api/v1/namespaces/istio-system/secrets/isthmus-ca')).toBeUndefined();
    }
  });
});

describe('a revocation list that east’s operator publishes', () => {
  const identity = 'spiffe://east.example/ns/demo/sa/client';

  type Ask = (files: CertificateFiles) => Promise<readonly (number | string)[]>;

  /** One request each, over a connection of its own: through west's gateway, and straight to a pod of east itself. */
  async function asker(): Promise<Ask> {
    const gateway = await gatewayAddress(west);
    const pod = await east.api.get<ApiObject & { readonly status?: { readonly podIP?: string } }>(
      `/api/v1/namespaces/demo/pods/${await readyPod(east, 'demo', 'echo')}`,
    );
    const places = [gateway, `${pod?.status?.podIP ?? ''}:8080`];
    return (files) =>
      Promise.all(
        places.map(async (place) => {
          const { status, refused } = await callGateway({ lab, a: east, b: west }, place, files, host);
          return status ?? refused ?? 'nothing';
        }),
      );
  }

  /** By an alert or, where that comes too late to be read, a cut connection; silence is no refusal. */
  async function refused(ask: Ask, files: CertificateFiles, withinMs: number): Promise<void> {
    await eventually('the stolen certificate to be refused in both places', withinMs, async () => {
      const answers = await ask(files);
      if (answers.every((answer) => /revoked|alert|closed|reset|disconnected|EPIPE/i.test(String(answer)))) return true;
      throw new Error(answers.join('; '));
    });
  }

  it('is told to west and enforced there, and by east’s own proxies: the revoked certificate is refused, another goes on', async () => {
    const [thiefs, good] = [
      await mintCertificate(lab, east, identity, 'stolen'),
      await mintCertificate(lab, east, identity, 'good'),
    ];
    const ask = await asker();
    await eventually('both to be served', patienceMs, async () => {
      expect([...(await ask(thiefs)), ...(await ask(good))]).toEqual([200, 200, 200, 200]);
      return true;
    });
    await authorities['east']?.revoke([readFileSync(thiefs.cert, 'utf8')]);
    await refused(ask, thiefs, patienceMs);
    expect(await ask(good)).toEqual([200, 200]);
    expect((await call(lab, east, 'call-http', `http://${host}/`)).ok).toBe(true);
    // The other replica of the door reads the lists by a watch of its own.
    await eventually('east to show both lists', patienceMs, async () => {
      const { crl } = await publicDocument(east);
      expect(crl?.match(/BEGIN X509 CRL/g)).toHaveLength(2);
      return true;
    });
  });

  it('refuses nobody else when it runs out: it leaves before, and what it revoked is no longer checked', async () => {
    const [thiefs, good] = [
      await mintCertificate(lab, east, identity, 'stolen-too'),
      await mintCertificate(lab, east, identity, 'good-too'),
    ];
    const ask = await asker();
    const forMs = 120_000;
    const end = Date.now() + forMs;
    await authorities['east']?.revoke([readFileSync(thiefs.cert, 'utf8')], forMs);
    // Half a minute before its end it leaves.
    await refused(ask, thiefs, forMs - 35_000);
    const seen = new Set<number | string>();
    while (Date.now() < end + 5_000) for (const answer of await ask(good)) seen.add(answer);
    // Silence is no refusal; a machine that stands still for fifteen seconds is silent.
    expect([...seen].filter((answer) => answer !== 'nothing')).toEqual([200]);
    await eventually('the certificate that was revoked to be served', patienceMs, async () => {
      expect([...(await ask(thiefs)), ...(await ask(good))]).toEqual([200, 200, 200, 200]);
      return true;
    });
  });
});

describe('one of two gateway replicas killed', () => {
  it('HTTP and gRPC calls over it are retried on the other and succeed; each TCP connection through it breaks, no other, and the next works', async () => {
    // Until kube-proxy has noticed, each try is the throw of a coin, and one time in a hundred all of a call's lose: then another is killed.
    const { http, grpc, tcp, cut } = await inRounds(3, isBorne, killGateway);
    for (const { failures, firstFailures } of [http, grpc])
      expect({ failures, firstFailures }).toEqual({ failures: 0, firstFailures: [] });
    expect(tcp.breaks).toBe(cut);
    // A line that was under way is lost with its connection; one that was not fails no call.
    expect(tcp.failures).toBeLessThanOrEqual(tcp.breaks);
    const next = await eventually('the next TCP connection', patienceMs, async () => {
      const result = await call(lab, east, 'call-tcp', `${host}:9000`);
      return result.ok ? result : undefined;
    });
    expect(next.ok).toBe(true);
  });
});

/** What became of calls when one gateway was killed, and how many TCP connections it had carried. */
interface Loss {
  readonly http: LoadReport;
  readonly grpc: LoadReport;
  readonly tcp: LoadReport;
  readonly cut: number;
}

function isBorne({ http, grpc, tcp }: Loss): boolean {
  return http.failures === 0 && grpc.failures === 0 && tcp.failures <= tcp.breaks;
}

async function killGateway(): Promise<Loss> {
  const { loads, victim, connections } = await loadsThroughOneGateway();
  const before = loads.map(callsOf);
  process.kill(victim, 'SIGKILL');
  await Promise.all([
    pause(6_000),
    eventually('a hundred calls more of each kind', patienceMs, async () =>
      loads.every((load, index) => callsOf(load) > (before[index] ?? 0) + 100) ? true : undefined,
    ),
  ]);
  const [http, grpc, tcp] = await Promise.all([loads[0].stop(), loads[1].stop(), loads[2].stop()]);
  return { http, grpc, tcp, cut: connections.tcp };
}

interface Carried {
  readonly http: number;
  readonly grpc: number;
  readonly tcp: number;
}

/** Connections of each protocol that one gateway's Envoy, known by its process id, has open to the service. */
async function carried(gateway: number): Promise<Carried> {
  const [program = '', ...words] = west.enter;
  const enter = [program, ...words.map((word) => (word.startsWith('--target=') ? `--target=${gateway}` : word))];
  const { stdout } = await runCommand([...enter, 'curl', '-sf', 'localhost:15000/clusters']);
  const active = (port: number): number => {
    const hosts = stdout.split('\n').filter((line) => line.startsWith(`outbound_.${port}_._.${host}::`));
    const counts = hosts.flatMap((line) => /::cx_active::(\d+)$/.exec(line)?.[1] ?? []);
    if (counts.length === 0) throw new Error(`gateway ${gateway} knows no port ${port}: ${stdout.slice(0, 300)}`);
    return counts.reduce((sum, count) => sum + Number(count), 0);
  };
  return { http: active(80), grpc: active(9090), tcp: active(9000) };
}

type Loads = readonly [RunningLoad, RunningLoad, RunningLoad];

/** Of each kind. */
const connectionsOpened = 4;

function callsOf(load: RunningLoad): number {
  return load.latest()?.calls ?? 0;
}

function startLoads(): Loads {
  const load = (tool: 'call-http' | 'call-grpc' | 'call-tcp', target: string): RunningLoad =>
    startLoad(lab, {
      cluster: 'east',
      namespace: 'demo',
      pod: 'client',
      tool,
      target,
      rate: 30,
      connections: connectionsOpened,
      timeoutMs: 15_000,
    });
  return [load('call-http', `http://${host}/`), load('call-grpc', `${host}:9090`), load('call-tcp', `${host}:9000`)];
}

/**
 * Calls of all three kinds, of which one gateway carries some of each. Which one a connection leads to is luck: all are made anew until it is so.
 */
async function loadsThroughOneGateway(): Promise<{
  readonly loads: Loads;
  readonly victim: number;
  readonly connections: Carried;
}> {
  await deploymentsAvailable(west, 'isthmus-system');
  const gateways = await eventually('two gateways', patienceMs, async () => {
    const pids = lab.pids('west').gateway ?? [];
    return pids.length === 2 ? pids : undefined;
  });
  const seen: string[] = [];
  for (let attempt = 1; attempt <= 12; attempt += 1) {
    await connectAnew();
    const loads = startLoads();
    // Envoy counts a TCP connection that nothing has come back over yet, whose end would be no break.
    await eventually('calls, and an answer over each TCP connection', patienceMs, async () =>
      loads.every((each) => callsOf(each) > 30) && loads[2].latest()?.standing === connectionsOpened ? true : undefined,
    );
    for (const victim of gateways) {
      const connections = await eventually(`counts of gateway ${victim}`, patienceMs, () => carried(victim));
      if (Object.values(connections).every((count) => count > 0)) return { loads, victim, connections };
      seen.push(JSON.stringify(connections));
    }
    await Promise.all(loads.map((each) => each.stop()));
  }
  throw new Error(`no gateway ever carried all of them: ${seen.join(' ')}`);
}

/** Seconds; another each time. */
let connectTimeout = 10;

/** East's proxies make connections to the service anew when what is configured for them changes. */
async function connectAnew(): Promise<void> {
  connectTimeout += 1;
  const timeout = `${connectTimeout}s`;
  await east.api.apply('/apis/networking.istio.io/v1/namespaces/demo/destinationrules/anew', {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'anew', namespace: 'demo' },
    spec: { host, trafficPolicy: { connectionPool: { tcp: { connectTimeout: timeout } } } },
  });
  const cluster = `outbound|80||${host}`;
  await eventually('east’s client to be told', patienceMs, async () => {
    const ask = ['curl', '-s', 'localhost:15000/config_dump?resource=dynamic_active_clusters'];
    const { stdout } = await lab.exec('east', 'demo', 'client', ask);
    const { configs = [] } = JSON.parse(stdout) as {
      configs?: readonly { readonly cluster: { readonly name: string; readonly connect_timeout?: string } }[];
    };
    const found = configs.find((each) => each.cluster.name === cluster);
    return found?.cluster.connect_timeout === timeout ? true : undefined;
  });
}
