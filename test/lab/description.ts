import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiHostOf, readerCredentialFile, releaseNamespace, rootNamespace } from './install.js';
import { describedProcesses } from './lab.js';
import type { Lab, LabCluster, ProcessIds } from './lab.js';
import { waitFor } from './waiting.js';

/** What is known of a cluster without our product in it. Paths are of files readable inside and outside of the lab. */
export interface BareFacts {
  readonly name: string;
  readonly kubeconfig: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly network: string;
  readonly namespace: string;
  readonly rootNamespace: string;
  readonly metadataEndpoint: string;
  readonly metadataCA: string;
  readonly apiHost: string;
  /** What the certificate at `apiHost` is checked against. */
  readonly apiCA: string;
  readonly databaseURL: string;
  readonly enter: readonly string[];
}

/** Everything but the process ids, which change. */
export interface ClusterFacts extends BareFacts {
  readonly clusterUUID: string;
  readonly clusterID: string;
  readonly xds: { readonly address: string; readonly ca: string; readonly serverName: string };
  /** `address:port` of the east-west gateway as peers reach it. */
  readonly gateway: readonly string[];
  /** The way out to peers' API servers, with `--multicluster`: its ClusterIP, its authority and name, a credential for all peers. */
  readonly apiProxy?: {
    readonly address: string;
    readonly ca: string;
    readonly serverName: string;
    readonly credentialFile: string;
  };
}

/** One cluster in the lab's description. */
export type ClusterDescription<Facts extends BareFacts = ClusterFacts> = Facts & { readonly pids: ProcessIds };

export interface LabDescription<Facts extends BareFacts = ClusterFacts> {
  readonly clusters: readonly ClusterDescription<Facts>[];
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

export function bareFacts(cluster: LabCluster): BareFacts {
  const { plan, files } = cluster;
  return {
    name: cluster.name,
    kubeconfig: files.kubeconfig,
    trustDomain: plan.trustDomain,
    clusterDomain: plan.clusterDomain,
    network: plan.network,
    namespace: releaseNamespace,
    rootNamespace,
    metadataEndpoint: cluster.metadataEndpoint,
    metadataCA: files.serving,
    apiHost: apiHostOf(plan),
    apiCA: files.serving,
    databaseURL: cluster.databaseURL,
    enter: cluster.enter,
  };
}

/** Reads from the cluster what the product has decided by itself; waits until it has. */
export async function clusterFacts(cluster: LabCluster): Promise<ClusterFacts> {
  const { api, plan } = cluster;
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
  const bare = bareFacts(cluster);
  return {
    ...bare,
    clusterUUID: identity['clusterUUID'] ?? '',
    clusterID: identity['clusterID'] ?? '',
    trustDomain: identity['trustDomain'] ?? bare.trustDomain,
    clusterDomain: identity['clusterDomain'] ?? bare.clusterDomain,
    network: identity['networkName'] ?? bare.network,
    xds: { address: `${istiod.spec.clusterIP ?? ''}:15012`, ca: xdsCa, serverName: `istiod.${rootNamespace}.svc` },
    gateway,
    ...(await apiProxyOf(cluster)),
  };
}

async function apiProxyOf(cluster: LabCluster): Promise<Pick<ClusterFacts, 'apiProxy'>> {
  const credentialFile = readerCredentialFile(cluster);
  if (!existsSync(credentialFile)) return {};
  const inRelease = `/api/v1/namespaces/${releaseNamespace}`;
  const address = await required(cluster, 'Service isthmus-way-out', async () => {
    const service = await cluster.api.get<Service>(`${inRelease}/services/isthmus-way-out`);
    return service?.spec.clusterIP;
  });
  const authority = await required(cluster, 'Secret isthmus-way-out-tls', async () => {
    const secret = await cluster.api.get<ConfigMap>(`${inRelease}/secrets/isthmus-way-out-tls`);
    return secret?.data?.['ca.crt'];
  });
  const ca = join(cluster.plan.directory, 'way-out.crt');
  writeAtomically(ca, Buffer.from(authority, 'base64').toString('utf8'));
  const serverName = `isthmus-way-out.${releaseNamespace}.svc`;
  return { apiProxy: { address: `${address}:443`, ca, serverName, credentialFile } };
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
export function describeLab<Facts extends BareFacts>(lab: Lab, facts: readonly Facts[]): LabDescription<Facts> {
  const all = lab.allPids();
  const clusters = facts.map((cluster) => {
    const found = all.get(cluster.name) ?? {};
    const pids = Object.fromEntries(describedProcesses.map((name) => [name, found[name] ?? []])) as ProcessIds;
    return { ...cluster, pids };
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
/** A process that came without another's end (more replicas) is found by then. */
const lookAnywayEveryMs = 5000;

/**
 * Keeps the description in a file up to date until the signal ends it: written at once, and again whenever a process id has
 * changed. Between looks at the whole machine it only asks whether the known processes live.
 */
export function keepDescription(lab: Lab, facts: readonly BareFacts[], file: string, signal: AbortSignal): void {
  let written = '';
  let known: readonly number[] = [];
  let lookedAt = 0;
  const look = (): void => {
    const description = describeLab(lab, facts);
    lookedAt = performance.now();
    known = description.clusters.flatMap(({ pids }) => Object.values(pids).flat());
    const text = `${JSON.stringify(description, undefined, 2)}\n`;
    if (text === written) return;
    writeAtomically(file, text);
    written = text;
  };
  look();
  let most = known.length;
  const timer = setInterval(() => {
    // Fewer than before: one ended, and its successor is looked for until it is there.
    const settled = known.length >= most && known.every(isAlive);
    if (settled && performance.now() - lookedAt < lookAnywayEveryMs) return;
    look();
    most = settled ? known.length : Math.max(most, known.length);
  }, lookEveryMs);
  lab.onChange(look);
  signal.addEventListener('abort', () => clearInterval(timer));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
