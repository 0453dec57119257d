import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { ApiObject } from './api.js';
import { addressAnnotation } from './load-balancer.js';
import { runCommand } from './lab.js';
import type { Lab, LabCluster } from './lab.js';
import type { LabOptions } from './options.js';
import type { ClusterPlan } from './plan.js';

export const releaseNamespace = 'isthmus-system';
export const rootNamespace = 'istio-system';
/** Reader of peers' API servers that whoever holds the lab may be. */
export const labReader = 'lab';
const release = 'isthmus';
const readyTimeoutMs = 120_000;

/** Installs the product the way users do: Istio's CRDs, a certificate for the door, our chart by Helm. */
export async function installProduct(lab: Lab, cluster: LabCluster, options: LabOptions): Promise<void> {
  await applyIstioCrds(lab, cluster);
  await prepareNamespace(cluster);
  if (options.multicluster === true) await prepareReader(lab, cluster);
  await options.prepare?.(cluster);
  await helmUpgrade(lab, cluster, options.values ?? [], options.replicas ?? 1, options.multicluster);
}

/**
 * `helm upgrade --install` of our chart with the lab's values and more values files on top; further calls upgrade.
 * @throws Error with what Helm said
 */
export async function helmUpgrade(
  lab: Lab,
  cluster: LabCluster,
  values: readonly string[],
  replicas = 1,
  multicluster = false,
): Promise<void> {
  const { directory } = cluster.plan;
  const valuesFile = join(directory, 'values.json');
  writeFileSync(valuesFile, JSON.stringify(labValues(cluster, replicas, multicluster), undefined, 2));
  const chart = join(lab.plan.repository, 'charts/isthmus');
  const files = [valuesFile, ...values].flatMap((file) => ['--values', file]);
  const result = await runCommand(
    [
      'env',
      ...['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME'].map((name) => `${name}=${join(directory, 'helm')}`),
      lab.plan.parts.helm,
      'upgrade',
      '--install',
      release,
      chart,
      `--namespace=${releaseNamespace}`,
      `--kubeconfig=${cluster.files.kubeconfig}`,
      ...files,
    ],
    { timeoutMs: readyTimeoutMs },
  );
  if (result.code !== 0) throw new Error(`helm in ${cluster.name}: ${result.stderr.trim() || result.stdout.trim()}`);
}

/** Values that make a lab cluster what it is; everything else is the chart's default. */
export function labValues(cluster: Pick<LabCluster, 'plan'>, replicas: number, multicluster = false): object {
  const { clusterDomain, trustDomain, network, doorAddress, gatewayAddress } = cluster.plan;
  return {
    clusterDomain,
    trustDomain,
    network,
    controller: { replicas },
    metadataApi: {
      replicas,
      tls: { secretName: 'lab-door' },
      service: { type: 'LoadBalancer', annotations: { [addressAnnotation]: doorAddress } },
    },
    ...(multicluster
      ? { multicluster: { enabled: true, apiHost: apiHostOf(cluster.plan), readers: ['mesh', labReader] } }
      : {}),
    mesh: { replicas },
    gateway: { replicas, serviceAnnotations: { [addressAnnotation]: gatewayAddress } },
    store: { databaseURLSecret: 'lab-database' },
  };
}

/** One credential for all peers, chosen beforehand: the controller keeps what it finds. */
async function prepareReader(lab: Lab, cluster: LabCluster): Promise<void> {
  const credential = randomBytes(32).toString('base64url');
  writeFileSync(readerCredentialFile(cluster), credential, { mode: 0o600 });
  const name = `isthmus-reader-${labReader}`;
  const peers = lab.clusters.filter((peer) => peer.name !== cluster.name);
  await cluster.api.apply(`/api/v1/namespaces/${releaseNamespace}/secrets/${name}`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'isthmus', 'isthmus.dev/reader': labReader } },
    stringData: Object.fromEntries(peers.map((peer) => [peer.name, credential])),
  });
}

export function readerCredentialFile(cluster: Pick<LabCluster, 'plan'>): string {
  return join(cluster.plan.directory, 'reader.credential');
}

/** Where peers reach the door's API proxy. */
export function apiHostOf({ doorAddress }: Pick<ClusterPlan, 'doorAddress'>): string {
  return `${doorAddress}:6443`;
}

async function applyIstioCrds(lab: Lab, cluster: LabCluster): Promise<void> {
  const documents = parseAllDocuments(readFileSync(lab.plan.parts['istio-crds'], 'utf8'));
  const crds = documents.map((document) => document.toJS() as ApiObject | null).filter((crd) => crd !== null);
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await Promise.all(crds.map((crd) => cluster.api.apply(`${path}/${crd.metadata.name}`, crd)));
}

async function prepareNamespace(cluster: LabCluster): Promise<void> {
  const { api, plan } = cluster;
  await applyNamespace(cluster, releaseNamespace);
  const read = (name: string): string => readFileSync(join(plan.directory, name), 'utf8');
  const secrets = `/api/v1/namespaces/${releaseNamespace}/secrets`;
  await api.apply(`${secrets}/lab-door`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'lab-door' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': read('door.crt'), 'tls.key': read('door.key'), 'ca.crt': read('ca.crt') },
  });
  await api.apply(`${secrets}/lab-database`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'lab-database' },
    stringData: { DATABASE_URL: cluster.databaseURL },
  });
}

export async function applyNamespace(
  cluster: LabCluster,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  await cluster.api.apply(`/api/v1/namespaces/${name}`, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  });
}
