import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { PodTemplateSpec } from '#istio-api';
import { clusterIdFor } from '#model';
import { partPath } from '../../../scripts/setup/index.js';
import {
  applyNamespace,
  deploymentsAvailable,
  deployWorkloads,
  federateAll,
  injectSidecar,
  installProduct,
  joinAll,
  plugInCa,
  releaseNamespace,
  rootNamespace,
  startClusters,
} from '../../lab/index.js';
import { publicLabel } from '../../demo/scene.js';
import type { ApiObject, Injector, Lab, LabCluster } from '../../lab/index.js';

const image = 'istio/pilot';
export type Scheme = 'federation' | 'multicluster';

/** What an operator of stock Istio has in the mesh configuration already; comments are to survive us. */
export function operatorsMesh({ plan }: LabCluster, aliases: readonly string[]): string {
  const lines = aliases.length === 0 ? '' : `trustDomainAliases:\n${aliases.map((alias) => `  - ${alias}\n`).join('')}`;
  return `# kept by the operator
trustDomain: ${plan.trustDomain}
${lines}rootNamespace: ${rootNamespace} # the default
accessLogFile: ''
`;
}

/** Key `meshNetworks` of the same. */
export const operatorsNetworks = 'networks: {}\n';

/** East with the istiod that it runs already; the others with our mesh core. */
export interface Stock {
  readonly lab: Lab;
  readonly east: LabCluster;
  readonly west: LabCluster;
  /** Multicluster only: on another network than the first two. */
  readonly north?: LabCluster | undefined;
  /** Root certificate of east's operator, PEM. */
  readonly eastRoot: string;
}

export async function startStock(scheme: Scheme): Promise<Stock> {
  const multicluster = scheme === 'multicluster';
  const istiod = partPath('istiod');
  const lab = await startClusters({ clusters: multicluster ? 3 : 2, multicluster });
  try {
    const [east, west, north] = lab.clusters as [LabCluster, LabCluster, LabCluster?];
    const peers = lab.clusters.slice(1);
    addImage(lab, istiod);
    const clusterUUID = randomUUID();
    const values = (name: string, content: object): readonly string[] => {
      const file = join(lab.directory, name);
      writeFileSync(file, JSON.stringify(content));
      return [file];
    };
    // A key is announced for longer than peers take to look.
    const quick = {
      controller: { keyRotation: { announceSeconds: 16, honourSeconds: 10 }, documents: { pollSeconds: 3 } },
    };
    const eastRoot = (await plugInCa(east, 'rsa')).root;
    const aliases = multicluster ? peers.map(({ plan }) => plan.trustDomain) : [];
    await runIstiod(east, operatorsMesh(east, aliases), clusterIdFor(east.plan.clusterDomain, clusterUUID));
    await Promise.all([
      installProduct(lab, east, {
        multicluster,
        values: values('east.json', { ...quick, clusterUUID, mesh: { enabled: false } }),
      }),
      ...peers.map((peer) => installProduct(lab, peer, { multicluster, values: values(`${peer.name}.json`, quick) })),
    ]);
    await Promise.all(
      lab.clusters.flatMap((cluster) => [
        ...[rootNamespace, releaseNamespace].map((namespace) => deploymentsAvailable(cluster, namespace)),
        deployWorkloads(cluster, { inject: cluster === east ? injectStock : injectSidecar }),
      ]),
    );
    // Under a stock istiod a gateway listens once something is exported.
    for (const { api } of multicluster ? [] : lab.clusters)
      await api.patch('/api/v1/namespaces/demo/services/echo', { metadata: { labels: { [publicLabel]: '' } } });
    await (multicluster ? joinAll(lab) : federateAll(lab));
    return { lab, east, west, north, eastRoot };
  } catch (error) {
    await lab.stop({ keepFiles: true });
    throw new Error(`${(error as Error).message}\nlogs are kept in ${lab.directory}`, { cause: error });
  }
}

/** The node agents read their list of images anew for each container. */
function addImage({ directory }: Lab, program: string): void {
  const file = join(directory, 'images.json');
  const images = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
  images[image] = {
    command: ['/usr/local/bin/pilot-discovery'],
    mounts: [{ from: program, to: '/usr/local/bin/pilot-discovery' }],
  };
  writeFileSync(file, JSON.stringify(images));
}

/** docs/stock-istio.md, section "What istiod needs", as objects; what stands under "upstream Envoy" there is needed for the lab's proxies. */
async function runIstiod(cluster: LabCluster, mesh: string, clusterID: string): Promise<void> {
  const { api, plan } = cluster;
  await applyNamespace(cluster, rootNamespace, { 'topology.istio.io/network': plan.network });
  const core = `/api/v1/namespaces/${rootNamespace}`;
  const metadata = { name: 'istiod', namespace: rootNamespace };
  await api.apply(`${core}/serviceaccounts/istiod`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  // Which rights istiod needs is Istio's chart's matter, not ours.
  await api.apply('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/istiod', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'istiod' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', ...metadata }],
  });
  await api.apply(`${core}/configmaps/istio`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: rootNamespace },
    data: { mesh, meshNetworks: operatorsNetworks },
  });
  const ports = [
    { name: 'https-dns', port: 15_012 },
    { name: 'http-monitoring', port: 15_014 },
  ];
  await api.apply(`${core}/services/istiod`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, labels: { app: 'istiod' } },
    spec: { selector: { app: 'istiod' }, ports },
  });
  await api.apply(`/apis/apps/v1/namespaces/${rootNamespace}/deployments/istiod`, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      selector: { matchLabels: { app: 'istiod' } },
      template: { metadata: { labels: { app: 'istiod' } }, spec: podSpec(plan.clusterDomain, clusterID) },
    },
  });
}

function podSpec(clusterDomain: string, clusterID: string): object {
  const environment = {
    CLUSTER_ID: clusterID,
    ISTIO_MULTIROOT_MESH: 'true',
    // No webhooks here that it could patch.
    VALIDATION_WEBHOOK_CONFIG_NAME: '',
    INJECTION_WEBHOOK_CONFIG_NAME: '',
    // Upstream Envoy has none of Istio's filters.
    PILOT_ENABLE_METADATA_EXCHANGE: 'false',
    PILOT_ENABLE_ALPN_FILTER: 'false',
  };
  const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return {
    serviceAccountName: 'istiod',
    containers: [
      {
        name: 'discovery',
        image: `${image}:lab`,
        args: [
          'discovery',
          '--monitoringAddr=:15014',
          '--domain',
          clusterDomain,
          '--keepaliveMaxServerConnectionAge=30m',
        ],
        env: [
          ...Object.entries(environment).map(([name, value]) => ({ name, value })),
          field('POD_NAME', 'metadata.name'),
          field('POD_NAMESPACE', 'metadata.namespace'),
          field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
        ],
        readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 },
        volumeMounts: [{ name: 'cacerts', mountPath: '/etc/cacerts', readOnly: true }],
      },
    ],
    volumes: [{ name: 'cacerts', secret: { secretName: 'cacerts' } }],
  };
}

/** Sidecars that take further roots from their control plane, as `defaultConfig.proxyMetadata` would make Istio's injector write them. */
const injectStock: Injector = async (template, cluster) => {
  const injected = (await injectSidecar(template, cluster)) as PodTemplateSpec;
  const containers = injected.spec.containers.map((container) =>
    container.name === 'istio-proxy'
      ? { ...container, env: [...(container.env ?? []), { name: 'PROXY_CONFIG_XDS_AGENT', value: 'true' }] }
      : container,
  );
  return { ...injected, spec: { ...injected.spec, containers } };
};

type East = Pick<Stock, 'lab' | 'east'>;

/** What istiod has written to its log so far. */
export async function istiodLog({ east }: East): Promise<string> {
  const pods = `/api/v1/namespaces/${rootNamespace}/pods?labelSelector=app%3Distiod`;
  const { name, uid } = (await east.api.list<ApiObject>(pods)).items[0]?.metadata ?? {};
  return readFileSync(join(east.plan.directory, `node/pods/${rootNamespace}_${name}_${uid}/discovery.log`), 'utf8');
}

/** One of istiod's pages for debugging, which it gives to callers on its own machine. */
export async function askIstiod({ lab, east }: East, path: string): Promise<string> {
  const command = ['curl', '-sS', '--fail', `http://127.0.0.1:15014${path}`];
  const { code, stdout, stderr } = await lab.exec(east.name, rootNamespace, 'istiod', command);
  if (code !== 0) throw new Error(`istiod, ${path}: ${stderr}`);
  return stdout;
}

/** istiod's own count of changes of remote Secrets. */
export async function secretEvents(stock: East): Promise<readonly string[]> {
  const lines = (await askIstiod(stock, '/metrics')).split('\n');
  return lines.filter((line) => line.startsWith('remote_cluster_secret_events_total'));
}

/** What istiod has asked of west's API server as west's own audit log has it, path and query. */
export function askedOfWest({ west }: Pick<Stock, 'west'>): readonly string[] {
  return readFileSync(west.logFile('audit'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"userAgent":"pilot-discovery/') && line.includes('"stage":"ResponseStarted"'))
    .map((line) => (JSON.parse(line) as { readonly requestURI: string }).requestURI);
}

/** Key `mesh` of ConfigMap `istio`. */
export async function meshConfig(stock: Pick<Stock, 'east'>): Promise<string> {
  return (await istioMap(stock)).mesh ?? '';
}

/** Key `meshNetworks` of ConfigMap `istio`. */
export async function meshNetworks(stock: Pick<Stock, 'east'>): Promise<string> {
  return (await istioMap(stock)).meshNetworks ?? '';
}

interface IstioMap extends ApiObject {
  readonly data?: { readonly mesh?: string; readonly meshNetworks?: string };
}

async function istioMap({ east }: Pick<Stock, 'east'>): Promise<NonNullable<IstioMap['data']>> {
  return (await east.api.get<IstioMap>(`/api/v1/namespaces/${rootNamespace}/configmaps/istio`))?.data ?? {};
}

/** Trust domains whose roots stand in `caCertificates`, one for each root. */
export async function trustedDomains(stock: Pick<Stock, 'east'>): Promise<readonly string[]> {
  const { caCertificates } = parse(await meshConfig(stock)) as {
    readonly caCertificates?: readonly { readonly trustDomains: readonly string[] }[];
  };
  return (caCertificates ?? []).flatMap(({ trustDomains }) => trustDomains);
}
