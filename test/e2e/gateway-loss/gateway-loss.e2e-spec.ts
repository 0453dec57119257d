import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { plugInCa, startLab, startLoad } from '../../lab/index.js';
import type { Lab, LabCluster, PluggedInCa } from '../../lab/index.js';
import { mintCertificate } from '../../demo/certificates.js';
import { call, callGateway, gatewayAddress, label, publicLabel } from '../../demo/scene.js';
import { eventually } from '../../demo/story.js';

const host = 'echo.demo.svc.west.example';
const authorities: Record<string, PluggedInCa> = {};
let lab: Lab;
let east: LabCluster;
let west: LabCluster;

beforeAll(async () => {
  lab = await startLab({
    clusters: 2,
    replicas: 2,
    prepare: async (cluster) => {
      authorities[cluster.name] = await plugInCa(cluster, cluster.name === 'east' ? 'rsa' : 'ec');
    },
  });
  [east, west] = lab.clusters as [LabCluster, LabCluster];
  await label(west, 'echo', { [publicLabel]: '' });
  await eventually('the first call', 30_000, async () =>
    (await call(lab, east, 'call-http', `http://${host}/`)).ok ? true : undefined,
  );
}, 240_000);

afterAll(async () => {
  await lab?.stop();
}, 60_000);

describe('workload CAs plugged in by their operators', () => {
  it('are what peers trust: an intermediate each, RSA in east and EC in west', async () => {
    const answer = await call(lab, east, 'call-http', `http://${host}/`);
    expect(JSON.stringify(answer.body)).toContain('spiffe://east.example/ns/demo/sa/client');
    for (const cluster of [east, west]) {
      const { stdout } = await lab.runIn(cluster.name, [
        'curl',
        '-sk',
        `${cluster.metadataEndpoint}/public/public.json`,
      ]);
      const shown = (JSON.parse(stdout) as { rootCA: string }).rootCA;
      expect(new X509Certificate(shown).fingerprint256).toBe(
        new X509Certificate(authorities[cluster.name]?.root ?? '').fingerprint256,
      );
      expect(await cluster.api.get('/api/v1/namespaces/istio-system/secrets/isthmus-ca')).toBeUndefined();
    }
  }, 30_000);
});

describe('a revocation list that east’s operator publishes', () => {
  it('is told to west and enforced there: the revoked certificate is refused, another goes on', async () => {
    const identity = 'spiffe://east.example/ns/demo/sa/client';
    const [thiefs, good] = [
      await mintCertificate(lab, east, identity, 'stolen'),
      await mintCertificate(lab, east, identity, 'good'),
    ];
    const gateway = await gatewayAddress(west);
    const ask = (files: typeof good): ReturnType<typeof callGateway> =>
      callGateway({ lab, a: east, b: west }, gateway, files, host);
    expect([(await ask(thiefs)).status, (await ask(good)).status]).toEqual([200, 200]);
    await authorities['east']?.revoke([readFileSync(thiefs.cert, 'utf8')]);
    const refused = await eventually('the stolen certificate to be refused', 60_000, async () => {
      const answer = await ask(thiefs);
      return answer.status === undefined ? answer.refused : undefined;
    });
    expect(refused).toMatch(/revoked|alert|closed/i);
    expect((await ask(good)).status).toBe(200);
    expect((await call(lab, east, 'call-http', `http://${host}/`)).ok).toBe(true);
    const shown = await lab.runIn('east', ['curl', '-sk', `${east.metadataEndpoint}/public/public.json`]);
    expect((JSON.parse(shown.stdout) as { crl?: string }).crl?.match(/BEGIN X509 CRL/g)).toHaveLength(2);
  }, 120_000);
});

describe('one of two gateway replicas killed', () => {
  it('HTTP and gRPC calls are retried on the other and succeed; TCP breaks at most once per connection and then works', async () => {
    const load = (tool: 'call-http' | 'call-grpc' | 'call-tcp', target: string): ReturnType<typeof startLoad> =>
      startLoad(lab, {
        cluster: 'east',
        namespace: 'demo',
        pod: 'client',
        tool,
        target,
        rate: 30,
        connections: 4,
        timeoutMs: 15_000,
      });
    const loads = [
      load('call-http', `http://${host}/`),
      load('call-grpc', `${host}:9090`),
      load('call-tcp', `${host}:9000`),
    ] as const;
    await eventually('calls', 15_000, async () =>
      loads.every((each) => (each.latest()?.calls ?? 0) > 30) ? true : undefined,
    );
    const gateways = lab.pids('west').gateway ?? [];
    expect(gateways).toHaveLength(2);
    lab.kill('west', 'gateway', { index: 0 });
    await new Promise((done) => setTimeout(done, 6_000));
    const [http, grpc, tcp] = await Promise.all(loads.map((each) => each.stop()));
    expect({ failures: http?.failures, first: http?.firstFailures }).toEqual({ failures: 0, first: [] });
    expect({ failures: grpc?.failures, first: grpc?.firstFailures }).toEqual({ failures: 0, first: [] });
    expect(tcp?.failures).toBeLessThanOrEqual(4);
    const next = await eventually('the next TCP connection', 10_000, async () => {
      const result = await call(lab, east, 'call-tcp', `${host}:9000`);
      return result.ok ? result : undefined;
    });
    expect(next.ok).toBe(true);
  }, 90_000);
});
