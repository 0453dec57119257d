import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  SecureClientSessionOptions,
} from 'node:http2';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';
import { request } from 'undici';
import { HttpKubeClient, tokenAccess } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { peerAccountName } from '#model';
import { RenderedChart, releaseNamespace } from '../integration/controller/chart.js';
import { startApiServer } from './api-server.js';
import type { ApiServer } from './api-server.js';
import { freePort, startChild, startTimeoutMs, waitFor } from './child.js';
import type { Child } from './child.js';
import { metricIn, TestLeader } from './door.js';
import type { TestPeer } from './door.js';
import { writeServingCertificate } from './serving-certificate.js';

const program = resolve('dist/apps/metadata-api/src/main.js');
export const peersNamespace = 'isthmus-peers';
/** User agents of what the door asks for itself, and of what a spec asks with its credential. */
const ownAgents = ['isthmus-metadata-api', 'test-as-door'];
/** Users that are no way through the door: a spec's own, and the API server's of itself. */
const ownUsers = ['admin', 'limited', 'system:apiserver'];
export const doorAccount = `system:serviceaccount:${releaseNamespace}:isthmus-metadata-api`;

/** What the API server noted of a request. */
export interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly userAgent?: string;
  /** Without a name where the credential was refused. */
  readonly user: { readonly username?: string };
  readonly impersonatedUser?: { readonly username: string; readonly groups?: readonly string[] };
  readonly responseStatus?: { readonly code?: number };
}

/** A real API server with the chart's rights, and an audit log of what everybody asks but the spec itself. */
export interface AuditedCluster {
  readonly api: ApiServer;
  readonly chart: RenderedChart;
  readonly leader: TestLeader;
  /** Client with the door's own service account token. */
  readonly doorClient: KubeClient;
  readonly doorKubeconfig: string;
  /** All that came so far, with whatever credential or none; the door's own reading of trust and documents apart. */
  forwarded(): readonly AuditEvent[];
  /** Does for a peer what the controller does: an account, bound to the reader's role. */
  admit(peer: TestPeer, roles?: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** `audited: false` leaves the log empty: it costs the API server something. */
export async function startAuditedCluster(directory: string, { audited = true } = {}): Promise<AuditedCluster> {
  const policy = join(directory, 'audit-policy.json');
  const log = join(directory, 'audit.log');
  writeFileSync(log, '');
  const rules = audited ? [{ level: 'None', users: ownUsers }, { level: 'Metadata' }] : [{ level: 'None' }];
  writeFileSync(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  const args = [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`];
  const api = await startApiServer({ args });
  const values = { multicluster: { enabled: true, apiHost: 'api.here.example' } };
  const chart = await RenderedChart.render(values, directory);
  const leader = new TestLeader(api.client);
  await leader.prepare();
  await chart.install(api.client);
  const token = await accountToken(api.client, 'isthmus-metadata-api');
  const doorKubeconfig = join(directory, 'door.kubeconfig');
  writeFileSync(doorKubeconfig, kubeconfig(api, token), { mode: 0o600 });
  const doorClient = new HttpKubeClient(tokenAccess(api.server, token, api.ca), 'test-as-door');
  return {
    api,
    chart,
    leader,
    doorClient,
    doorKubeconfig,
    forwarded: () => requestsIn(readFileSync(log, 'utf8')),
    admit: (peer, roles = ['isthmus-peer-reader']) => admit(api.client, peer, roles),
    stop: async () => {
      await doorClient.close();
      await api.stop();
    },
  };
}

/** One event for each request, in the order of arrival: the last that was written of it. */
function requestsIn(log: string): readonly AuditEvent[] {
  const requests = new Map<string, AuditEvent>();
  for (const line of log.split('\n')) {
    if (!line.endsWith('}')) continue;
    const event = JSON.parse(line) as AuditEvent;
    if (!isOwn(event)) requests.set(event.auditID, event);
  }
  return [...requests.values()];
}

/** Whoever borrows the user agent alone is not taken for the door. */
function isOwn({ user, userAgent = '', impersonatedUser }: AuditEvent): boolean {
  if (user.username !== doorAccount || !ownAgents.includes(userAgent)) return false;
  return impersonatedUser === undefined || userAgent === 'test-as-door';
}

/** A token of a service account, good for an hour. */
export async function accountToken(client: KubeClient, name: string, namespace = releaseNamespace): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} });
  const answer = await client.request({ method: 'POST', path, body });
  if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.body}`);
  return (JSON.parse(answer.body) as { status: { token: string } }).status.token;
}

function kubeconfig({ server, ca }: ApiServer, token: string): string {
  const authority = Buffer.from(ca).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'door',
    clusters: [{ name: 'here', cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name: 'door', user: { token } }],
    contexts: [{ name: 'door', context: { cluster: 'here', user: 'door' } }],
  });
}

async function admit(client: KubeClient, { name }: TestPeer, roles: readonly string[]): Promise<void> {
  const account = { namespace: peersNamespace, name: peerAccountName(name) };
  const apply = (object: ApiObject & Readonly<Record<string, unknown>>): Promise<unknown> =>
    client.apply(object, { fieldManager: 'leader' });
  await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: account });
  for (const role of roles) {
    await apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `${role}-${name}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    });
  }
}

/** The door as its own process, as the chart would start it. */
export interface DoorProcess extends Child {
  readonly apiPort: number;
  readonly ca: string;
  /** Resident memory, in MiB. */
  memory(): number;
  /** What it says of its readiness. */
  readiness(): Promise<string>;
  /** Value of one of its metrics, summed over labels. */
  metric(name: string): Promise<number>;
}

export async function startDoorProcess(
  cluster: AuditedCluster,
  directory: string,
  environment: Readonly<Record<string, string>>,
  how: { readonly nodeFlags?: readonly string[]; readonly addresses?: readonly string[] } = {},
): Promise<DoorProcess> {
  const tls = join(directory, 'tls');
  const ca = await writeServingCertificate(tls, ['127.0.0.1', ...(how.addresses ?? [])]);
  const [apiPort, httpPort] = [await freePort(), await freePort()];
  const logFile = join(directory, 'door.log');
  const child = startChild({
    command: resolve('node_modules/node/bin/node'),
    args: [...(how.nodeFlags ?? []), program],
    logFile,
    env: {
      PATH: process.env['PATH'],
      ...cluster.chart.environment('isthmus-metadata-api'),
      KUBECONFIG: cluster.doorKubeconfig,
      ISTHMUS_LISTEN_HOST: '127.0.0.1',
      ISTHMUS_HTTPS_PORT: '0',
      ISTHMUS_HTTP_PORT: String(httpPort),
      ISTHMUS_API_PORT: String(apiPort),
      ISTHMUS_TLS_DIR: tls,
      ISTHMUS_STORE_DIR: join(directory, 'store'),
      ISTHMUS_DRAIN_DELAY_MS: '100',
      ...environment,
    },
  });
  const side = async (path: string): Promise<string> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${httpPort}${path}`);
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text}`);
    return text;
  };
  const ready = (): Promise<true> => side('/readyz').then(() => true);
  await waitFor('the door to be ready', ready, { logFile, timeoutMs: startTimeoutMs });
  return {
    ...child,
    apiPort,
    ca,
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    readiness: () => side('/readyz'),
    metric: async (name) => metricIn(await side('/metrics'), name),
  };
}

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends bytes over TLS exactly as they are, and reads one answer; status 0 = the connection ended without one. */
export function sendRaw({ apiPort, ca }: DoorProcess, bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ port: apiPort, host: '127.0.0.1', ca, ALPNProtocols: ['http/1.1'] });
    const patience = setTimeout(() => socket.destroy(), 20_000);
    const parsed = (): RawAnswer | undefined => {
      const cut = text.indexOf('\r\n\r\n');
      if (cut === -1) return undefined;
      const head = text.slice(0, cut);
      return { status: Number(head.split(' ')[1]), head, body: text.slice(cut + 4) };
    };
    socket.on('secureConnect', () => socket.write(bytes));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const answer = parsed();
      const length = Number(/content-length: (\d+)/i.exec(answer?.head ?? '')?.[1] ?? Number.NaN);
      if (answer !== undefined && answer.body.length >= length) socket.destroy();
    });
    socket.on('close', () => {
      clearTimeout(patience);
      resolve(parsed() ?? { status: 0, head: '', body: text });
    });
  });
}

export interface H2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One HTTP/2 connection to the door. */
export class H2Connection {
  readonly session: ClientHttp2Session;

  constructor({ apiPort, ca }: DoorProcess) {
    // Headers that may stand once only are sent twice where a spec asks for it.
    this.session = connectH2(`https://127.0.0.1:${apiPort}`, {
      ca,
      strictSingleValueFields: false,
    } as SecureClientSessionOptions);
    this.session.on('error', () => undefined);
  }

  open(headers: Readonly<Record<string, string | readonly string[]>>, endStream = true): ClientHttp2Stream {
    const stream = this.session.request({ ':method': 'GET', ...headers }, { endStream });
    stream.on('error', () => undefined);
    return stream;
  }

  ask(headers: Readonly<Record<string, string | readonly string[]>>, endStream = true): Promise<H2Answer> {
    const stream = this.open(headers, endStream);
    let status = 0;
    let got: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (found) => {
      got = found;
      status = Number(found[':status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return new Promise((resolve) => {
      const end = (): void => resolve({ status, headers: got, body: Buffer.concat(chunks) });
      stream.on('close', end);
      // CONNECT's own half stays open until it is ended.
      stream.on('end', () => stream.end());
    });
  }

  close(): void {
    this.session.destroy();
  }
}

/** A token with any claims, signed by a peer's key. */
export function forge(peer: TestPeer, claims: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: 'd8-istio', sub: peer.uuid, scope: 'api', iat: now, nbf: now, exp: now + 60, jti: randomUUID() };
  const input = `${encode({ alg: 'EdDSA', kid: peer.key.kid })}.${encode({ ...usual, ...claims })}`;
  const signature = sign(null, Buffer.from(input), createPrivateKey(peer.key.privatePem));
  return `${input}.${signature.toString('base64url')}`;
}
