import { createHash, randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import type { ApiObject } from '#kube';
import { formatWayOutRegistry, names } from '#model';
import type { AuditedCluster } from './api-door.js';
import { freePort, startChild, waitFor } from './child.js';
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
  readonly ca: string;
  /** Path under which the door's API server is reached. */
  readonly prefix: string;
  /** What its one reader sends as bearer token. */
  readonly credential: string;
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
  await writeKnowledge(wish, credential);
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
  await waitFor('the way out to be ready', ready, { logFile });
  return { ...child, port, ca, credential, prefix: '/peers/door' };
}

/** The three objects that the way out reads, as the controller's leader writes them. */
async function writeKnowledge({ cluster, self, apiHost, ca }: WayOutWish, credential: string): Promise<void> {
  const sha256 = createHash('sha256').update(credential).digest('hex');
  const peer = { name: 'door', apiHost, audience: ownUUID, ca, insecureSkipVerify: false };
  const registry = formatWayOutRegistry({ version: 1, peers: [{ ...peer, readers: [{ reader: 'mesh', sha256 }] }] });
  const { kid, privatePem } = self.key;
  const ring = JSON.stringify({ version: 1, keys: [{ kid, privatePem, state: 'current' }] });
  const metadata = (name: string): object => ({ namespace, name });
  const secret = (name: string, key: string, text: string): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadata(name),
    data: { [key]: Buffer.from(text).toString('base64') },
  });
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(names.clusterConfigMap),
      data: { clusterUUID: self.uuid },
    },
    secret(names.wayOutSecret, names.wayOutKey, registry),
    secret(names.signingKeysSecret, 'keys.json', ring),
  ])
    await cluster.api.client.apply(object as ApiObject, { fieldManager: 'leader' });
}
