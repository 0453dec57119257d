import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { ApiObject } from './api.js';
import { addressAnnotation } from './load-balancer.js';
import { runCommand } from './lab.js';
import type { Lab, LabCluster } from './lab.js';
import type { LabOptions } from './options.js';

export const releaseNamespace = 'isthmus-system';
export const rootNamespace = 'istio-system';
const release = 'isthmus';
const readyTimeoutMs = 120_000;

/** Installs the product the way users do: Istio's CRDs, a certificate for the door, our chart by Helm. */
export async function installProduct(lab: Lab, cluster: LabCluster, options: LabOptions): Promise<void> {
  await applyIstioCrds(lab, cluster);
  await prepareNamespace(cluster);
  await options.prepare?.(cluster);
  await helmUpgrade(lab, cluster, options.values ?? [], options.replicas ?? 1);
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
): Promise<void> {
  const { directory } = cluster.plan;
  const valuesFile = join(directory, 'values.json');
  writeFileSync(valuesFile, JSON.stringify(labValues(cluster, replicas), undefined, 2));
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
export function labValues(cluster: Pick<LabCluster, 'plan'>, replicas: number): object {
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
    mesh: { replicas },
    gateway: { replicas, serviceAnnotations: { [addressAnnotation]: gatewayAddress } },
    store: { databaseURLSecret: 'lab-database' },
  };
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
    stringData: { 'tls.crt': read('door.crt'), 'tls.key': read('door.key') },
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
