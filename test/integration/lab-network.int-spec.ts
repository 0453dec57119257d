import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import {
  applyDeployment,
  applyNamespace,
  clientTemplate,
  deploymentsAvailable,
  echoService,
  echoTemplate,
  readyPod,
  startLab,
  waitFor,
} from '../lab/index.js';
import type { ApiObject, CallResult, Lab, LabCluster } from '../lab/index.js';

// What joins the clusters of the lab, and what does not: pods of B are unreachable from A but for load balancers' addresses.
const namespace = 'net';
const minute = 60_000;

jest.setTimeout(3 * minute);

interface Pod extends ApiObject {
  readonly status: { readonly podIP: string };
}

interface Service extends ApiObject {
  readonly spec: { readonly clusterIP: string; readonly ports: readonly { readonly nodePort: number }[] };
  readonly status: { readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string }[] } };
}

let lab: Lab;
let east: LabCluster;
let west: LabCluster;

beforeAll(async () => {
  lab = await startLab({ clusters: 2, upTo: 'clusters' });
  east = lab.cluster('east');
  west = lab.cluster('west');
  for (const cluster of lab.clusters) await applyNamespace(cluster, namespace);
  const service = echoService(namespace);
  await west.api.apply(`/api/v1/namespaces/${namespace}/services/echo`, {
    ...service,
    spec: { ...(service['spec'] as object), type: 'LoadBalancer' },
  });
  await Promise.all([
    applyDeployment(west, namespace, echoTemplate(west)),
    applyDeployment(west, namespace, echoTemplate(west, 'echo-too')),
    applyDeployment(west, namespace, clientTemplate()),
    applyDeployment(east, namespace, clientTemplate()),
  ]);
  await Promise.all(lab.clusters.map((cluster) => deploymentsAvailable(cluster, namespace)));
}, 8 * minute);

afterAll(async () => {
  await lab?.stop();
});

type Call = (cluster: LabCluster, url: string) => Promise<CallResult>;

/** An HTTP call out of the client pod of a cluster. */
async function fromPod(cluster: LabCluster, url: string): Promise<CallResult> {
  const pod = await readyPod(cluster, namespace, 'client');
  const { stdout } = await lab.exec(cluster.name, namespace, pod, ['call-http', '--timeout', '3000', url]);
  return JSON.parse(stdout) as CallResult;
}

/** An HTTP call from beside the pods, in the network of a cluster. */
async function fromNetwork(cluster: LabCluster, url: string): Promise<CallResult> {
  const program = join(lab.plan.repository, 'dist/test/lab/workloads/call-http.js');
  const { stdout } = await lab.runIn(cluster.name, [lab.plan.node, program, '--timeout', '3000', url]);
  return JSON.parse(stdout) as CallResult;
}

/** What came of a call, made again while its patience ends first on a machine that is busy: until it was answered well, or failed in the wanted way. */
function comesTo(call: Call, cluster: LabCluster, url: string, wanted?: RegExp): Promise<CallResult> {
  const once = async (): Promise<CallResult> => {
    const result = await call(cluster, url);
    if (result.ok || wanted?.test(result.error ?? '') === true) return result;
    throw new Error(JSON.stringify(result));
  };
  return waitFor(once, { what: `${url} from ${cluster.name}`, timeoutMs: minute });
}

async function apiServerIsReady(): Promise<void> {
  const options = { what: 'API server', timeoutMs: minute };
  await waitFor(async () => (await west.api.text('/readyz')) === 'ok' || undefined, options);
}

async function echoPod(): Promise<Pod> {
  const pod = await west.api.get<Pod>(
    `/api/v1/namespaces/${namespace}/pods/${await readyPod(west, namespace, 'echo')}`,
  );
  if (pod === undefined) throw new Error('the echo pod is gone');
  return pod;
}

/** Address of a pod of west that answers and that no pod of east has: both clusters give the same addresses in turn. */
async function addressOfWestAlone(): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const [here, there] = await Promise.all([east, west].map(async ({ api }) => (await api.list<Pod>(path)).items));
  const taken = new Set(here?.map(({ status }) => status.podIP));
  const found = there?.find(({ metadata, status }) => metadata.name.startsWith('echo') && !taken.has(status.podIP));
  if (found === undefined) throw new Error(`east has each of west's addresses: ${[...taken].join(', ')}`);
  return found.status.podIP;
}

function echoOfWest(): Promise<Service> {
  return waitFor(
    async () => {
      const service = await west.api.get<Service>(`/api/v1/namespaces/${namespace}/services/echo`);
      return service?.status.loadBalancer.ingress === undefined ? undefined : service;
    },
    { what: 'address of the load balancer', timeoutMs: minute },
  );
}

describe('within a cluster', () => {
  it('a pod reaches another by its address, its ClusterIP and its names', async () => {
    const pod = await echoPod();
    const service = await echoOfWest();
    // The rules of kube-proxy may be still to come.
    await comesTo(fromPod, west, 'http://echo/');
    const hosts = [
      `${pod.status.podIP}:8080`,
      service.spec.clusterIP,
      'echo',
      `echo.${namespace}`,
      `echo.${namespace}.svc.west.example`,
    ];
    for (const host of hosts) {
      const result = await comesTo(fromPod, west, `http://${host}/`);
      expect({ host, status: result.status, pod: (result.body as { pod: string } | undefined)?.pod }).toEqual({
        host,
        status: 200,
        pod: pod.metadata.name,
      });
    }
  });

  it('the API server answers at the Service `kubernetes`, outside of the lab, and at no other address of the cluster', async () => {
    await apiServerIsReady();
    const { code } = await lab.runIn('west', [
      lab.plan.node,
      '-e',
      "require('net').connect(443,'10.96.0.1').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))",
    ]);
    expect(code).toBe(0);
  });
});

describe('between clusters', () => {
  it("B's pod is unreachable from A: from a pod, and from beside the pods", async () => {
    const { podIP } = (await echoPod()).status;
    for (const call of [fromPod, fromNetwork]) {
      expect(await comesTo(call, west, `http://${podIP}:8080/`)).toMatchObject({ ok: true });
      expect(await call(east, `http://${podIP}:8080/`)).toMatchObject({ ok: false, error: expect.any(String) });
    }
  });

  it("B's pod is refused by B itself where A's packets are sent there, while the gateway at the same next hop answers", async () => {
    const podIP = await addressOfWestAlone();
    const gateway = (await echoOfWest()).status.loadBalancer.ingress?.[0]?.ip ?? '';
    // Both clusters have one pod range: without a route of its own A would look for the address among its own pods.
    const route = [`${podIP}/32`, 'via', west.plan.wanAddress, 'dev', 'wan'];
    expect(await lab.runIn('east', ['ip', 'route', 'add', ...route])).toMatchObject({ code: 0 });
    try {
      for (const call of [fromPod, fromNetwork]) {
        expect(await comesTo(call, east, `http://${podIP}:8080/`, /EHOSTUNREACH/)).toMatchObject({
          ok: false,
          error: expect.stringContaining('EHOSTUNREACH'),
        });
        const through = await comesTo(call, east, `http://${gateway}/`);
        expect(through).toMatchObject({ status: 200, body: { cluster: 'west' } });
      }
    } finally {
      await lab.runIn('east', ['ip', 'route', 'del', ...route]);
    }
  });

  it("B's ClusterIPs, node ports and other listeners are unreachable from A", async () => {
    const service = await echoOfWest();
    const { nodeAddress, dnsAddress, storeAddress } = west.plan;
    const closed = [
      service.spec.clusterIP,
      `${nodeAddress}:${service.spec.ports[0]?.nodePort}`,
      `${dnsAddress}:53`,
      `${storeAddress}:5432`,
      `${west.plan.range}.55:6443`,
    ];
    for (const host of closed) {
      expect({ host, ...(await fromPod(east, `http://${host}/`)) }).toMatchObject({ host, ok: false });
    }
  });

  it("B's load balancers are reachable from A's pods, under an address of the annotated or the automatic range", async () => {
    const address = (await echoOfWest()).status.loadBalancer.ingress?.[0]?.ip;
    expect(address).toBe('10.10.2.20');
    const result = await comesTo(fromPod, east, `http://${address}/`);
    expect(result).toMatchObject({ status: 200, body: { cluster: 'west' } });
  });
});

describe('guests', () => {
  let guest: ChildProcess | undefined;

  afterAll(() => {
    guest?.kill('SIGKILL');
  });

  it('a process started by `enter` binds 10.10.200.5, is reached from that cluster only, and reaches its pods', async () => {
    const server = "require('http').createServer((q,r)=>r.end('guest')).listen(80,'10.10.200.5')";
    const [program = '', ...args] = [...west.enter, lab.plan.node, '-e', server];
    guest = spawn(program, args, { stdio: 'ignore' });
    const url = 'http://10.10.200.5/';
    expect(await comesTo(fromPod, west, url)).toMatchObject({ status: 200, body: 'guest' });
    expect(await fromPod(east, url)).toMatchObject({ ok: false });
    const podUrl = `http://${(await echoPod()).status.podIP}:8080/`;
    expect(await comesTo(fromNetwork, west, podUrl)).toMatchObject({ ok: true });
  });
});

describe('processes of the control plane', () => {
  it.each([
    'etcd',
    'kube-apiserver',
    'kube-controller-manager',
    'kube-proxy',
    'coredns',
    'node-agent',
    'postgres',
  ] as const)('%s is started again after kill -9, under a new id, and no pod is lost', async (name) => {
    const before = lab.pids('west')[name]?.[0];
    const pod = (await echoPod()).metadata.name;
    lab.kill('west', name);
    const after = await waitFor(async () => lab.pids('west')[name]?.find((pid) => pid !== before), {
      what: name,
      timeoutMs: 30_000,
    });
    expect(after).not.toBe(before);
    await apiServerIsReady();
    const { metadata } = await waitFor(echoPod, { what: 'a ready echo pod', timeoutMs: minute });
    expect(metadata.name).toBe(pod);
    await comesTo(fromPod, west, `http://echo.${namespace}/`);
  });
});
