import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import type { ApiObject } from '#kube';
import { names, wayOutSecretData } from '#model';
import type { WayOutPeer } from '#model';
import type { AuditedCluster } from './api-door.js';
import { freePort, startChild, startTimeoutMs, waitFor } from './child.js';
import type { Child } from './child.js';
import { ownUUID } from './door.js';
import type { TestPeer } from './door.js';
import { writeServingCertificate } from './serving-certificate.js';

/** Beside the door's own: it plays another cluster, whose name and key are a test peer's. */
const namespace = 'isthmus-reader';
const program = resolve('dist/apps/metadata-api/src/way-out-main.js');

/** The way out as its own process, in front of one door. */
export interface WayOutProcess extends Child {
  readonly port: number;
  readonly httpPort: number;
  readonly ca: string;
  /** Path under which the door's API server is reached. */
  readonly prefix: string;
  /** What its one reader sends as bearer token. */
  readonly credential: string;
  /** The peer behind `prefix`, as the registry names it. */
  readonly door: WayOutPeer;
  /** Resident memory, in MiB. */
  memory(): number;
  /** Writes who is reached, and by which keys, as the controller's leader does. */
  tellPeers(peers: readonly WayOutPeer[], ownAddresses?: readonly string[]): Promise<void>;
  tellKeys(keys: readonly StoredKey[]): Promise<void>;
}

/** A signing key as Secret `isthmus-signing-keys` holds it. */
export interface StoredKey {
  readonly kid: string;
  readonly privatePem: string;
  readonly state: 'next' | 'current' | 'retired';
  readonly retiredAt?: number;
}

export interface WayOutWish {
  /** Where it reads what the controller would have written; its environment is as this cluster's chart has it. */
  readonly cluster: AuditedCluster;
  /** The cluster that it speaks for, as the door knows it. */
  readonly self: TestPeer;
  /** `host:port` of the door; not loopback, which no peer may name. */
  readonly apiHost: string;
  /** What the door's certificate is checked against. */
  readonly ca: string;
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
}

export async function startWayOutProcess(wish: WayOutWish): Promise<WayOutProcess> {
  const { cluster, directory } = wish;
  const credential = randomBytes(24).toString('base64url');
  const door = { name: 'door', apiHost: wish.apiHost, audience: ownUUID, ca: wish.ca, insecureSkipVerify: false };
  const peer: WayOutPeer = { ...door, readers: [{ reader: 'mesh', sha256: hashOf(credential) }] };
  const { kid, privatePem } = wish.self.key;
  await prepare(wish);
  await tellPeers(cluster, [peer]);
  await tellKeys(cluster, [{ kid, privatePem, state: 'current' }]);
  const tls = join(directory, 'way-out-tls');
  const ca = await writeServingCertificate(tls);
  const [port, httpPort] = [await freePort(), await freePort()];
  const logFile = join(directory, 'way-out.log');
  const child = startChild({
    command: resolve('node_modules/node/bin/node'),
    args: [...(wish.nodeFlags ?? []), program],
    logFile,
    env: {
      PATH: process.env['PATH'],
      ...cluster.chart.environment('isthmus-way-out'),
      KUBECONFIG: cluster.api.kubeconfig,
      POD_NAMESPACE: namespace,
      ISTHMUS_LISTEN_HOST: '127.0.0.1',
      ISTHMUS_HTTPS_PORT: String(port),
      ISTHMUS_HTTP_PORT: String(httpPort),
      ISTHMUS_TLS_DIR: tls,
      ISTHMUS_DRAIN_DELAY_MS: '100',
      ...wish.environment,
    },
  });
  const ready = async (): Promise<true | undefined> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${httpPort}/readyz`);
    const text = await body.text();
    if (statusCode !== 200) throw new Error(text);
    return true;
  };
  await waitFor('the way out to be ready', ready, { logFile, timeoutMs: startTimeoutMs });
  return {
    ...child,
    ...{ port, httpPort, ca, credential, prefix: '/peers/door', door: peer },
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    tellPeers: (peers, ownAddresses) => tellPeers(cluster, peers, ownAddresses),
    tellKeys: (keys) => tellKeys(cluster, keys),
  };
}

/** What of a credential stands in the registry. */
export function hashOf(credential: string): string {
  return createHash('sha256').update(credential).digest('hex');
}

async function prepare({ cluster, self }: WayOutWish): Promise<void> {
  const data = { clusterUUID: self.uuid };
  const metadata = { namespace, name: names.clusterConfigMap };
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
  ])
    await cluster.api.client.apply(object, { fieldManager: 'leader' });
}

function tellPeers(
  cluster: AuditedCluster,
  peers: readonly WayOutPeer[],
  ownAddresses: readonly string[] = [],
): Promise<void> {
  return applySecret(cluster, names.wayOutSecret, wayOutSecretData({ version: 1, peers, ownAddresses }));
}

function tellKeys(cluster: AuditedCluster, keys: readonly StoredKey[]): Promise<void> {
  const text = JSON.stringify({ version: 1, keys });
  return applySecret(cluster, names.signingKeysSecret, { 'keys.json': Buffer.from(text).toString('base64') });
}

async function applySecret(
  { api }: AuditedCluster,
  name: string,
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, data };
  await api.client.apply(secret as ApiObject, { fieldManager: 'leader' });
}
