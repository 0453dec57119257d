import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TYPE_URLS } from '#proto';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { AgentStream } from './mesh/agent-stream.js';
import { requestCertificate, workloadSecret } from './mesh/certificate.js';
import { createAll, createPod, namespace, service, serviceAccount, slice, tokenOf } from './mesh/cluster-objects.js';
import { Relay, startReplica, type Replica } from './mesh/mesh-under-test.js';
import { startProxy, type Proxy } from './mesh/proxy.js';
import { AdsServer } from './xds/ads-server.js';

const echo = { namespace: 'demo', name: 'echo', address: '10.20.0.1', labels: { app: 'echo' } };
const other = { namespace: 'demo', name: 'other', address: '10.20.0.2', labels: { app: 'other' } };
const echoService = service({
  namespace: 'demo',
  name: 'echo',
  ports: [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'grpc', port: 7070, targetPort: 8080 },
    { name: 'tcp', port: 9000, targetPort: 8080 },
    { name: 'any', port: 9001, targetPort: 8080 },
  ],
  selector: { app: 'echo' },
});
const otherService = service({
  namespace: 'demo',
  name: 'other',
  clusterIP: 'None',
  ports: [{ name: 'http', port: 8080, targetPort: 8080 }],
  selector: { app: 'other' },
});
const sidecar = { nodeId: 'sidecar~10.20.0.1~echo.demo~demo.svc.cluster.local', namespace: 'demo', account: 'echo' };
const router = {
  nodeId: 'router~10.20.0.9~gateway.demo~demo.svc.cluster.local',
  namespace: 'demo',
  account: 'gateway',
};

describe('mesh core on a real API server without any CRD, serving plain Envoy', () => {
  let api: ApiServer;
  let first: Replica;
  let second: Replica;
  let sds: AdsServer;
  let sdsPort: number;
  let ca: string;
  const tokens = new Map<string, string>();

  beforeAll(async () => {
    api = await startApiServer();
    const accounts = ['echo', 'other', 'gateway'].map((name) => serviceAccount('demo', name));
    await createAll(api.client, [namespace('istio-system'), namespace('demo'), ...accounts]);
    await createAll(api.client, [echoService, otherService]);
    await createPod(api.client, echo);
    await createPod(api.client, other);
    await createAll(api.client, [slice(echoService, 8080, [echo]), slice(otherService, 8080, [other])]);
    // Both at once: whoever comes second must take the CA that the first has made.
    [first, second] = await Promise.all([startReplica(api), startReplica(api)]);
    for (const name of ['echo', 'other', 'gateway']) {
      tokens.set(name, await tokenOf(api.client, { namespace: 'demo', name }));
    }
    ca = await rootsIn('demo');
    sds = new AdsServer();
    sdsPort = await sds.start();
    sds.serve([], [workloadSecret(await requestCertificate({ port: first.port, ca, token: tokens.get('echo') }))]);
  }, hookTimeoutMs);

  afterAll(async () => {
    sds?.stop();
    await Promise.all([first?.stop(), second?.stop()]);
    await api?.stop();
  }, 30_000);

  async function rootsIn(name: string): Promise<string> {
    const path = pathFor(resources.configMaps, { namespace: name, name: 'istio-ca-root-cert' });
    return waitFor(`roots in namespace ${name}`, async () => {
      const found = await api.client.get<ApiObject & { data?: Record<string, string> }>(path);
      return found?.data?.['root-cert.pem'];
    });
  }

  interface Who {
    readonly nodeId: string;
    readonly namespace: string;
    readonly account: string;
  }

  function proxy(who: Who, protocol: 'GRPC' | 'DELTA_GRPC', xdsPort: number): Promise<Proxy> {
    const metadata = { NAMESPACE: who.namespace, SERVICE_ACCOUNT: who.account, CLUSTER_ID: 'Kubernetes' };
    return startProxy({
      ...{ nodeId: who.nodeId, metadata, protocol, xdsPort, ca, sdsPort },
      token: tokens.get(who.account) ?? '',
    });
  }

  async function expectSound(envoy: Proxy, streams = 2): Promise<void> {
    const rejected = await envoy.admin(`/stats?filter=${encodeURIComponent('update_rejected')}&usedonly`);
    expect(rejected.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'))).toEqual([]);
    expect(await envoy.stat('cluster_manager.warming_clusters')).toBe(0);
    expect(await envoy.stat('listener_manager.total_listeners_warming')).toBe(0);
    // Ours, and in a sidecar the one to what stands in for the agent's own secrets; a gateway uses none of those.
    expect(await envoy.stat('control_plane.connected_state')).toBe(streams);
  }

  async function endpointsOf(envoy: Proxy, cluster: string): Promise<string[]> {
    const text = await envoy.admin('/clusters');
    const pattern = new RegExp(`^${cluster.replaceAll('|', '\\|').replaceAll('.', '\\.')}::([0-9.]+:\\d+)::cx_active`);
    return text.split('\n').flatMap((line) => pattern.exec(line)?.[1] ?? []);
  }

  const echoHostname = 'echo.demo.svc.cluster.local';
  const echoHttp = `outbound|80||${echoHostname}`;

  async function moveEchoTo(envoy: Proxy, addresses: readonly string[]): Promise<void> {
    const pods = addresses.map((address) => ({ ...echo, address }));
    await createAll(api.client, [slice(echoService, 8080, pods)]);
    const wanted = addresses.map((address) => `${address}:8080`);
    await waitFor(
      `endpoints ${wanted.join(', ')}`,
      async () => ((await endpointsOf(envoy, echoHttp)).sort().join() === wanted.join() ? true : undefined),
      { timeoutMs: 20_000 },
    );
    // Each replica watches by itself: the other one may know of it a moment later.
    const known = ({ mesh }: Replica): string => {
      const found = mesh.index.current?.model.services.find(({ hostname }) => hostname === echoHostname);
      return [...new Set(found?.endpoints.map(({ address }) => address))].sort().join();
    };
    await waitFor('both replicas to know it', () =>
      [first, second].every((replica) => known(replica) === [...addresses].sort().join()) ? true : undefined,
    );
  }

  it('writes its roots into every namespace, also one that comes later, and again when somebody spoils them', async () => {
    await createAll(api.client, [namespace('late')]);
    expect(await rootsIn('late')).toBe(ca);
    const path = pathFor(resources.configMaps, { namespace: 'late', name: 'istio-ca-root-cert' });
    await api.client.patch(path, { data: { 'root-cert.pem': 'nonsense' } }, 'application/merge-patch+json');
    await waitFor('roots put right', async () => ((await rootsIn('late')) === ca ? true : undefined));
    await waitFor('the replica that did not write to see it', () =>
      Promise.resolve(first.mesh.namespacesWithoutRoots === 0 ? true : undefined),
    );
  }, 150_000);

  it('issues certificates for the identity that the token proves, from one CA in both replicas', async () => {
    for (const { port } of [first, second]) {
      const { chain } = await requestCertificate({ port, ca, token: tokens.get('echo') });
      const leaf = new X509Certificate(chain[0] ?? '');
      expect(leaf.subjectAltName).toBe('URI:spiffe://test.example/ns/demo/sa/echo');
      expect(leaf.verify(new X509Certificate(ca).publicKey)).toBe(true);
      expect(chain.at(-1)).toBe(ca);
    }
  });

  it.each([
    ['no token', { token: undefined }, 16],
    ['nonsense', { token: 'abc' }, 16],
    ['another audience', { audience: 'https://kubernetes.default.svc' }, 16],
    ['nonsense for a request', { csr: 'hello' }, 3],
    ['too long a life', { ttlSeconds: 91 * 86_400 }, 3],
  ] as const)('refuses a certificate: %s', async (_title, wrong, code) => {
    const audience = 'audience' in wrong ? wrong.audience : 'istio-ca';
    const good = await tokenOf(api.client, { namespace: 'demo', name: 'echo' }, audience);
    const request = { port: first.port, ca, token: good, ...wrong };
    await expect(requestCertificate(request)).rejects.toMatchObject({ code });
  });

  describe.each(['DELTA_GRPC', 'GRPC'] as const)('%s', (protocol) => {
    it.each([
      ['sidecar', sidecar, 2],
      ['router', router, 1],
    ])(
      '%s: everything acknowledged, nothing refused, nothing left warming',
      async (_type, who, streams) => {
        const envoy = await proxy(who, protocol, first.port);
        try {
          await envoy.serving();
          await expectSound(envoy, streams);
          expect(await first.metric('isthmus_mesh_xds_rejects_total')).toBe(0);
        } finally {
          await envoy.stop();
        }
      },
      150_000,
    );

    it('sends nothing to a proxy that comes to the other replica up to date, then goes on', async () => {
      const relay = await Relay.open(first.port);
      const envoy = await proxy(sidecar, protocol, relay.port);
      try {
        await envoy.serving();
        await moveEchoTo(envoy, ['10.20.0.1', '10.20.0.3']);
        const before = { resources: await resourcesSent(second), bytes: await bytesSent(second) };
        relay.switchTo(second.port);
        await waitFor('stream to the other replica', () => (second.mesh.discovery.streams.size > 0 ? true : undefined));
        await waitFor('all types asked for again', async () => {
          const [stream] = [...second.mesh.discovery.streams];
          return (stream?.state?.types.size ?? 0) >= 5 ? true : undefined;
        });
        await new Promise((resolve) => setTimeout(resolve, 300));
        const sent = { resources: await resourcesSent(second), bytes: await bytesSent(second) };
        expect(sent).toEqual(before);
        await expectSound(envoy);
        await moveEchoTo(envoy, ['10.20.0.1']);
        expect(await resourcesSent(second)).toBeGreaterThan(before.resources);
      } finally {
        await envoy.stop();
        relay.close();
      }
    }, 150_000);

    it('sends an agent that comes to the other replica its name table, which it asks for from nothing, and no byte besides', async () => {
      const metadata = { NAMESPACE: 'demo', SERVICE_ACCOUNT: 'echo', CLUSTER_ID: 'Kubernetes' };
      const options = {
        ...{ ca, protocol, node: { id: sidecar.nodeId, metadata }, token: tokens.get('echo') ?? '' },
        names: {
          [TYPE_URLS.route]: ['80', '7070', 'inbound|8080||'],
          [TYPE_URLS.secret]: ['isthmus:trust'],
        },
      };
      const begun = new AgentStream({ ...options, port: first.port });
      await begun.subscribeAll();
      const at = { ...begun.received };
      begun.close();
      for (const word of ['cluster', 'endpoints', 'listener', 'route', 'secret', 'nameTable'])
        expect(at[word]?.resources).toBeGreaterThan(0);

      const resumed = new AgentStream({ ...options, port: second.port }, begun.held);
      try {
        await resumed.subscribeAll();
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(resumed.received).toEqual({ nameTable: at['nameTable'] });
        // The stream is alive: what changes comes along, and only that.
        await createAll(api.client, [slice(echoService, 8080, [echo, { ...echo, address: '10.20.0.7' }])]);
        // Read before the change back, which comes along too.
        const resources = await waitFor('endpoints', () => resumed.received['endpoints']?.resources);
        await createAll(api.client, [slice(echoService, 8080, [echo])]);
        expect(Object.keys(resumed.received).sort()).toEqual(['endpoints', 'nameTable']);
        expect(resources).toBeLessThan(at['endpoints']?.resources ?? 0);
      } finally {
        resumed.close();
      }
    }, 150_000);

    it('takes a new service up and an old one down without a refusal', async () => {
      const envoy = await proxy(sidecar, protocol, first.port);
      const fresh = service({
        namespace: 'demo',
        name: `fresh-${protocol.toLowerCase().replace('_', '-')}`,
        ports: [{ name: 'http', port: 80, targetPort: 8080 }],
        selector: { app: 'other' },
      });
      try {
        await envoy.serving();
        await createAll(api.client, [fresh, slice(fresh, 8080, [other])]);
        const cluster = `outbound|80||${fresh.metadata?.name ?? ''}.demo.svc.cluster.local`;
        await waitFor('the new service', async () =>
          (await endpointsOf(envoy, cluster)).length === 1 ? true : undefined,
        );
        await api.client.delete(pathFor(resources.services, { namespace: 'demo', name: fresh.metadata?.name }));
        await waitFor('its end', async () => ((await envoy.admin('/clusters')).includes(cluster) ? undefined : true));
        await expectSound(envoy);
      } finally {
        await envoy.stop();
      }
    }, 150_000);
  });

  it('refuses a stream whose node says it is somebody else', async () => {
    const envoy = await startProxy({
      nodeId: sidecar.nodeId,
      metadata: { NAMESPACE: 'demo', SERVICE_ACCOUNT: 'echo' },
      protocol: 'DELTA_GRPC',
      xdsPort: first.port,
      ca,
      sdsPort,
      token: tokens.get('other') ?? '',
    });
    try {
      await waitFor('refusals', async () =>
        (await envoy.stat('cluster.xds-grpc.upstream_rq_total')) > 1 ? true : undefined,
      );
      expect(await envoy.stat('cluster_manager.cds.update_success')).toBe(0);
    } finally {
      await envoy.stop();
    }
  }, 150_000);

  async function resourcesSent(replica: Replica): Promise<number> {
    return replica.metric('isthmus_mesh_xds_resources_total');
  }

  async function bytesSent(replica: Replica): Promise<number> {
    return replica.metric('isthmus_mesh_xds_bytes_total');
  }
});
