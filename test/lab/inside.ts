// Runs inside the lab's namespaces, started by lab.ts: makes the networks, starts every process and keeps it alive.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { LabApi } from './api.js';
import { controllersAndNetwork, filesOf, storageAndApi, writeClusterFiles } from './control-plane.js';
import { runLoadBalancer } from './load-balancer.js';
import type { FromInside, ToInside } from './messages.js';
import { createClusterNetwork, createHub } from './namespaces.js';
import { network } from './plan.js';
import type { ClusterPlan, LabPlan } from './plan.js';
import { databaseProcess, initialiseDatabase } from './postgres.js';
import { logTail, Supervisor } from './supervisor.js';
import { waitFor } from './waiting.js';

const readyTimeoutMs = 120_000;

function tell(message: FromInside): void {
  if (process.connected) process.send?.(message);
}

function progress(text: string): void {
  tell({ type: 'progress', text });
}

interface Running {
  readonly plan: LabPlan;
  readonly secret: string;
  readonly supervisor: Supervisor;
}

async function startCluster(lab: Running, cluster: ClusterPlan): Promise<void> {
  await writeClusterFiles(cluster, lab.secret);
  // Never dies: `enter` joins the network namespace through it.
  lab.supervisor.start({
    cluster: cluster.name,
    name: 'anchor',
    netns: cluster.netns,
    command: ['sleep', 'infinity'],
    logFile: join(cluster.directory, 'logs/anchor.log'),
  });
  for (const process of storageAndApi(lab.plan, cluster)) lab.supervisor.start(process);
  const files = filesOf(cluster);
  const api = new LabApi({
    host: cluster.apiAddress,
    port: network.apiPort,
    ca: readFileSync(files.apiCa, 'utf8'),
    token: readFileSync(files.adminToken, 'utf8'),
  });
  await waitFor(async () => (await api.text('/readyz')) === 'ok' || undefined, {
    what: `API server of ${cluster.name}`,
    timeoutMs: readyTimeoutMs,
    progress,
    hopeless: () => hopelessDeath(lab, cluster, ['etcd', 'kube-apiserver']),
  });
  mkdirSync(join(cluster.directory, 'node'), { recursive: true });
  for (const process of controllersAndNetwork(lab.plan, cluster)) lab.supervisor.start(process);
  // Ready is told before the API server has made its own namespaces.
  await waitFor(() => registerNameServer(cluster, api).then(() => true), {
    what: `name server of ${cluster.name}`,
    timeoutMs: readyTimeoutMs,
    progress,
  });
  void runLoadBalancer(cluster, api, new AbortController().signal);
  await waitFor(async () => (await nodeIsReady(cluster, api)) || undefined, {
    what: `node of ${cluster.name}`,
    timeoutMs: readyTimeoutMs,
    progress,
    hopeless: () =>
      hopelessDeath(lab, cluster, ['kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'coredns', 'node-agent']),
  });
}

async function startDatabases(lab: Running): Promise<void> {
  const template = await initialiseDatabase(lab.plan, lab.secret);
  for (const cluster of lab.plan.clusters) lab.supervisor.start(databaseProcess(lab.plan, cluster, template));
}

function hopelessDeath(lab: Running, cluster: ClusterPlan, processes: readonly string[]): string | undefined {
  const name = processes.find((candidate) => lab.supervisor.quickDeaths(cluster.name, candidate) > 5);
  if (name === undefined) return undefined;
  const log = join(cluster.directory, 'logs', `${name}.log`);
  return `${name} ends again and again; ${log} ends with\n${logTail(log)}`;
}

async function nodeIsReady(cluster: ClusterPlan, api: LabApi): Promise<boolean> {
  interface Node {
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  }
  const node = await api.get<Node>(`/api/v1/nodes/${cluster.nodeName}`);
  return node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** The Service that every pod's resolv.conf names, with CoreDNS (a process of the node) behind it. */
async function registerNameServer(cluster: ClusterPlan, api: LabApi): Promise<void> {
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ];
  const metadata = { name: 'kube-dns', namespace: 'kube-system' };
  await api.apply('/api/v1/namespaces/kube-system/services/kube-dns', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { clusterIP: network.dnsService, ports },
  });
  await api.apply('/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [cluster.dnsAddress], conditions: { ready: true } }],
    ports,
  });
}

/** A connection that comes in on the outer network's loopback goes on to the API server, byte by byte. */
function forwardApi(cluster: ClusterPlan, server: Server): void {
  server.on('connection', (outer: Socket) => {
    const inner = connect(network.apiPort, cluster.apiAddress);
    outer.setNoDelay(true);
    inner.setNoDelay(true);
    outer.pipe(inner).pipe(outer);
    outer.on('error', () => inner.destroy());
    inner.on('error', () => outer.destroy());
    outer.on('close', () => inner.destroy());
    inner.on('close', () => outer.destroy());
  });
}

function end(plan: LabPlan, supervisor: Supervisor, remove: boolean): never {
  supervisor.stop();
  try {
    if (remove) rmSync(plan.directory, { recursive: true, force: true });
  } catch {
    // A pod may still write; who started the lab removes what is left.
  }
  process.exit(0);
}

async function main(): Promise<void> {
  const planFile = process.argv[2];
  const secret = process.env['LAB_SECRET'];
  if (planFile === undefined || secret === undefined || process.send === undefined) {
    throw new Error('this program is started by the lab: npm run lab');
  }
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as LabPlan;
  const supervisor = new Supervisor((running) => tell({ type: 'processes', running }));
  process.on('message', (message: ToInside, handle: unknown) => {
    if (message.type === 'stop') end(plan, supervisor, message.remove);
    const cluster = plan.clusters.find(({ name }) => name === message.cluster);
    if (cluster !== undefined) forwardApi(cluster, handle as Server);
  });
  process.on('disconnect', () => process.exit(0));
  createHub(plan.clusters);
  for (const cluster of plan.clusters) createClusterNetwork(cluster, plan.clusters);
  const lab = { plan, secret, supervisor };
  await Promise.all([...plan.clusters.map((cluster) => startCluster(lab, cluster)), startDatabases(lab)]);
  tell({ type: 'ready' });
}

main().catch((error: Error) => {
  tell({ type: 'failed', message: error.message });
  setTimeout(() => process.exit(1), 100);
});
