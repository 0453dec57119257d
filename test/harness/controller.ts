import { createHash, createPrivateKey, randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient, ResourcePath } from '#kube';
import { labels, names } from '#model';
import { buildCsr, generateCa, generateSigningKey, issueWorkloadCertificate, loadCa, splitCertificates } from '#trust';
import type { KeyRing } from '../../apps/controller/src/identity/key-ring.js';
import { ensureParts } from '../../scripts/setup/index.js';
import type { ApiServer } from './api-server.js';
import { freePort, startChild, waitFor } from './child.js';
import type { Child } from './child.js';
import { temporaryDirectory } from './postgres.js';

const namespaces = {
  release: 'isthmus-system',
  imports: 'isthmus-imports',
  peers: 'isthmus-peers',
  root: 'istio-system',
};
const options = { fieldManager: 'isthmus-test' };
const month = 30 * 24 * 3600;

/** The cluster that a controller works for, made ready for it. */
export interface ControllerCluster {
  readonly clusterUUID: string;
  readonly trustDomain: string;
  /** Key that its tokens and documents are signed with. */
  readonly publicPem: string;
}

/** CRDs, namespaces, and what the mesh core would have given: the root, and a signing key that it certified. */
export async function prepareCluster({ client }: Pick<ApiServer, 'client'>): Promise<ControllerCluster> {
  await installDefinitions(client);
  for (const name of Object.values(namespaces))
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, options);
  const trustDomain = 'here.example';
  const now = Date.now();
  const ca = generateCa({ trustDomain, now, algorithm: 'ec', serial: randomBytes(16) });
  const key = generateSigningKey();
  const { chain, notAfter } = issueWorkloadCertificate(loadCa(ca, now), {
    csrPem: buildCsr(createPrivateKey(key.privatePem)),
    spiffeIds: [`spiffe://${trustDomain}/ns/${namespaces.release}/sa/isthmus-controller`],
    ttlSeconds: 3 * month,
    now,
    serial: randomBytes(16),
  });
  const root = ca['root-cert.pem'];
  const rootsDigest = createHash('sha256').update(splitCertificates(root).join('')).digest('hex');
  const times = { announcedAt: now, currentSince: now, chainIssuedAt: now, chainExpiresAt: notAfter };
  const ring: KeyRing = { version: 1, keys: [{ ...key, state: 'current', chain, rootsDigest, ...times }] };
  const metadata = (name: string): object => ({
    namespace: namespaces.release,
    name,
    labels: { [labels.managedBy]: labels.managedByValue },
  });
  const data = { 'keys.json': Buffer.from(JSON.stringify(ring)).toString('base64') };
  for (const object of [
    { apiVersion: 'v1', kind: 'Secret', metadata: metadata(names.signingKeysSecret), data },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(names.rootCertConfigMap),
      data: { [names.rootCertKey]: root },
    },
  ])
    await client.apply(object as ApiObject, options);
  return { clusterUUID: randomUUID(), trustDomain, publicPem: key.publicPem };
}

async function installDefinitions(client: KubeClient): Promise<void> {
  const { 'istio-crds': path } = await ensureParts(['istio-crds']);
  const istio = (await stat(path)).isDirectory() ? join(path, 'customresourcedefinitions.gen.yaml') : path;
  const own = 'charts/isthmus/crds';
  const files = [istio, ...(await readdir(own)).map((name) => join(own, name))];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const objects = texts
    .flatMap((text) => parseAllDocuments(text))
    .flatMap((document) => (document.toJS() as ApiObject | null) ?? []);
  await Promise.all(objects.map((object) => client.apply(object, options)));
  const read: readonly ResourcePath[] = [
    resources.istioFederations,
    resources.serviceEntries,
    resources.destinationRules,
    resources.gateways,
    resources.authorizationPolicies,
  ];
  for (const resource of read)
    await waitFor(`${resource.plural} to be served`, async () => {
      const { status } = await client.request({ method: 'GET', path: pathFor(resource) });
      return status === 200 ? true : undefined;
    });
}

export interface RunningController extends Child {
  /** Sum over those of its metrics whose line (name and labels) fits. */
  metric(series: RegExp): Promise<number>;
}

/** Starts the real controller process with its defaults: streams, and an embedded PostgreSQL in a temporary folder. */
export async function startController(
  server: Pick<ApiServer, 'kubeconfig' | 'directory'>,
  cluster: ControllerCluster,
  nodeFlags: readonly string[] = [],
): Promise<RunningController> {
  const port = await freePort();
  const store = temporaryDirectory();
  const child = startChild({
    command: process.execPath,
    args: [...nodeFlags, join(process.cwd(), 'dist/apps/controller/src/main.js')],
    logFile: join(server.directory, 'controller.log'),
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      KUBECONFIG: server.kubeconfig,
      ISTHMUS_CLUSTER_DOMAIN: cluster.trustDomain,
      ISTHMUS_NETWORK: 'network-1',
      ISTHMUS_CLUSTER_UUID: cluster.clusterUUID,
      ISTHMUS_GATEWAY_ADDRESSES: '192.0.2.1:15443',
      ISTHMUS_HTTP_PORT: String(port),
      ISTHMUS_STORE_DIR: store,
    },
  });
  return {
    ...child,
    metric: async (series) => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const lines = text.split('\n').filter((line) => series.test(line) && !line.startsWith('#'));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
    stop: async (graceMs = 30_000) => {
      await child.stop(graceMs);
      // Its PostgreSQL may outlive it for a moment.
      rmSync(store, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
