import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { releaseNamespace, rootNamespace } from './install.js';
import { describedProcesses } from './lab.js';
import type { Lab, LabCluster, ProcessIds } from './lab.js';
import { waitFor } from './waiting.js';

/** One cluster in the lab's description. Paths are of files readable inside and outside of the lab. */
export interface ClusterDescription {
  readonly name: string;
  readonly kubeconfig: string;
  readonly clusterUUID: string;
  readonly clusterID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly network: string;
  readonly namespace: string;
  readonly rootNamespace: string;
  readonly metadataEndpoint: string;
  readonly metadataCA: string;
  readonly apiHost: string;
  readonly xds: { readonly address: string; readonly ca: string; readonly serverName: string };
  /** `address:port` of the east-west gateway as peers reach it. */
  readonly gateway: readonly string[];
  readonly databaseURL: string;
  readonly pids: ProcessIds;
  readonly enter: readonly string[];
}

export interface LabDescription {
  readonly clusters: readonly ClusterDescription[];
  readonly exec: readonly string[];
}

interface ConfigMap {
  readonly data?: Readonly<Record<string, string>>;
}

interface Service {
  readonly spec: {
    readonly clusterIP?: string;
    readonly ports: readonly { readonly name?: string; readonly port: number }[];
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

const factsTimeoutMs = 60_000;

/** Everything but the process ids, which change. */
export type ClusterFacts = Omit<ClusterDescription, 'pids'>;

/** Reads from the cluster what the product has decided by itself; waits until it has. */
export async function clusterFacts(cluster: LabCluster): Promise<ClusterFacts> {
  const { api, plan, files } = cluster;
  const identity = await clusterIdentity(cluster);
  const root = await required(cluster, 'the mesh root certificate', async () => {
    const map = await api.get<ConfigMap>(`/api/v1/namespaces/${rootNamespace}/configmaps/istio-ca-root-cert`);
    return map?.data?.['root-cert.pem'];
  });
  const gateway = await required(cluster, 'the gateway address', async () => {
    const service = await api.get<Service>(`/api/v1/namespaces/${releaseNamespace}/services/isthmus-eastwestgateway`);
    const addresses = gatewayAddresses(service);
    return addresses.length === 0 ? undefined : addresses;
  });
  const istiod = await required(cluster, 'Service istiod', () =>
    api.get<Service>(`/api/v1/namespaces/${rootNamespace}/services/istiod`),
  );
  const xdsCa = join(plan.directory, 'mesh-root.crt');
  writeAtomically(xdsCa, root);
  return {
    name: cluster.name,
    kubeconfig: files.kubeconfig,
    clusterUUID: identity['clusterUUID'] ?? '',
    clusterID: identity['clusterID'] ?? '',
    trustDomain: plan.trustDomain,
    clusterDomain: plan.clusterDomain,
    network: plan.network,
    namespace: releaseNamespace,
    rootNamespace,
    metadataEndpoint: cluster.metadataEndpoint,
    metadataCA: files.serving,
    apiHost: plan.doorAddress,
    xds: { address: `${istiod.spec.clusterIP ?? ''}:15012`, ca: xdsCa, serverName: `istiod.${rootNamespace}.svc` },
    gateway,
    databaseURL: cluster.databaseURL,
    enter: cluster.enter,
  };
}

/** What the product has decided to be: content of ConfigMap `isthmus-cluster`; waits until it is there. */
export function clusterIdentity(cluster: LabCluster): Promise<Readonly<Record<string, string>>> {
  return required(cluster, 'ConfigMap isthmus-cluster', async () => {
    const path = `/api/v1/namespaces/${releaseNamespace}/configmaps/isthmus-cluster`;
    const map = await cluster.api.get<ConfigMap>(path);
    return map?.data?.['clusterUUID'] === undefined ? undefined : map.data;
  });
}

function gatewayAddresses(service: Service | undefined): readonly string[] {
  const port = service?.spec.ports.find(({ name }) => name === 'tls')?.port;
  const ingress = service?.status?.loadBalancer?.ingress ?? [];
  return port === undefined ? [] : ingress.flatMap(({ ip }) => (ip === undefined ? [] : [`${ip}:${port}`]));
}

function required<T>(cluster: LabCluster, what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return waitFor(ask, { what: `${what} of ${cluster.name}`, timeoutMs: factsTimeoutMs, everyMs: 100 });
}

/** The description with the process ids of this moment. */
export function describeLab(lab: Lab, facts: readonly ClusterFacts[]): LabDescription {
  const clusters = facts.map((cluster) => {
    const found = lab.pids(cluster.name);
    const pids = Object.fromEntries(describedProcesses.map((name) => [name, found[name] ?? []])) as ProcessIds;
    const { enter, ...rest } = cluster;
    return { ...rest, pids, enter };
  });
  return { clusters, exec: lab.execCommand };
}

/** A reader sees the old file or the new one, never half of it. */
export function writeAtomically(file: string, text: string): void {
  const fresh = `${file}.${process.pid}.new`;
  writeFileSync(fresh, text);
  renameSync(fresh, file);
}

const lookEveryMs = 500;

/**
 * Keeps the description in a file up to date until the signal ends it: written at once, and again whenever a process id changed
 * and the new process is there.
 */
export function keepDescription(lab: Lab, facts: readonly ClusterFacts[], file: string, signal: AbortSignal): void {
  let written = '';
  const write = (): void => {
    const text = `${JSON.stringify(describeLab(lab, facts), undefined, 2)}\n`;
    if (text === written) return;
    writeAtomically(file, text);
    written = text;
  };
  write();
  const timer = setInterval(write, lookEveryMs);
  lab.onChange(write);
  signal.addEventListener('abort', () => clearInterval(timer));
}
