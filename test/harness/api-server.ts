import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpKubeClient, kubeconfigAccess, tokenAccess } from '#kube';
import type { KubeClient } from '#kube';
import { ensureParts } from '../../scripts/setup/index.js';
import { freePort, startChild, startTimeoutMs, waitFor } from './child.js';
import type { Child } from './child.js';

/** A real kube-apiserver on a real etcd, RBAC on, reachable at 127.0.0.1 or at the host asked for. */
export interface ApiServer {
  /** Cluster administrator. */
  readonly client: KubeClient;
  /** File with the administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly server: string;
  readonly ca: string;
  readonly directory: string;
  /** Process id of kube-apiserver as it runs now. */
  pid(): number;
  /** Client of user `limited`, who has no rights but those a test gives. */
  readonly limited: KubeClient;
  /** kill -9 of kube-apiserver (etcd lives on). */
  kill(): Promise<void>;
  /** Starts kube-apiserver again on the same address and waits until it is ready. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: a server that is there and silent. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface ApiServerOptions {
  /** More kube-apiserver arguments. */
  readonly args?: readonly string[];
  /** IP address of this machine to listen on; default 127.0.0.1. */
  readonly host?: string;
}

/** Starts etcd and kube-apiserver from the parts cache (getting them first if need be). Takes about three seconds. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const parts = await ensureParts(['etcd', 'kube-apiserver']);
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-apiserver-'));
  const etcdPort = await freePort();
  const etcd = startChild({
    command: parts.etcd,
    args: etcdArgs(directory, etcdPort, await freePort()),
    logFile: join(directory, 'etcd.log'),
  });
  const host = options.host ?? '127.0.0.1';
  const port = await freePort(host);
  const token = randomBytes(16).toString('hex');
  const limitedToken = randomBytes(16).toString('hex');
  writeFileSync(
    join(directory, 'tokens.csv'),
    `${token},admin,admin,"system:masters"\n${limitedToken},limited,limited\n`,
  );
  writeServiceAccountKeys(directory);
  const args = [...apiServerArgs(directory, `${host}:${port}`, etcdPort), ...(options.args ?? [])];
  const logFile = join(directory, 'kube-apiserver.log');
  const start = (): Child => startChild({ command: parts['kube-apiserver'], args, logFile });
  let process = start();
  const server = `https://${host}:${port}`;
  const [crt, key] = ['apiserver.crt', 'apiserver.key'].map((file) => join(directory, 'certs', file)) as [
    string,
    string,
  ];
  // The key is written after the certificate and its authority: before, half of these may stand there.
  const whole = (): boolean => existsSync(key) && readFileSync(key, 'utf8').includes('END');
  const patience = { logFile, timeoutMs: startTimeoutMs };
  const ca = await waitFor('serving certificate', () => (whole() ? readFileSync(crt, 'utf8') : undefined), patience);
  const kubeconfig = writeKubeconfig(directory, server, ca, token);
  const client = new HttpKubeClient(await kubeconfigAccess(kubeconfig), 'isthmus-test');
  const limited = new HttpKubeClient(tokenAccess(server, limitedToken, ca), 'isthmus-test');
  const ready = (): Promise<true> => waitFor('kube-apiserver /readyz', () => isReady(client), patience);
  await ready();
  return {
    client,
    limited,
    kubeconfig,
    server,
    ca,
    directory,
    pid: () => process.pid,
    kill: async () => {
      process.kill('SIGKILL');
      await process.stop();
    },
    restart: async () => {
      await process.stop();
      process = start();
      await ready();
    },
    freeze: () => process.kill('SIGSTOP'),
    thaw: () => process.kill('SIGCONT'),
    stop: async () => {
      await Promise.all([client.close(), limited.close()]);
      process.kill('SIGCONT');
      await process.stop(2000);
      await etcd.stop(2000);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function isReady(client: KubeClient): Promise<true | undefined> {
  const { status } = await client.request({ method: 'GET', path: '/readyz', timeoutMs: 2000 });
  if (status !== 200) return undefined;
  const namespace = await client.get('/api/v1/namespaces/default');
  return namespace === undefined ? undefined : true;
}

function etcdArgs(directory: string, port: number, peerPort: number): string[] {
  const client = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--log-level=error',
  ];
}

function apiServerArgs(directory: string, listen: string, etcdPort: number): string[] {
  const [host, port] = listen.split(':');
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--cert-dir=${join(directory, 'certs')}`,
    `--bind-address=${host}`,
    '--advertise-address=10.255.255.1',
    '--endpoint-reconciler-type=none',
    `--secure-port=${port}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=RBAC',
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(directory, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(directory, 'sa.key')}`,
    '--disable-admission-plugins=ServiceAccount',
    '--shutdown-delay-duration=0s',
  ];
}

function writeServiceAccountKeys(directory: string): void {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(directory, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(join(directory, 'sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}

function writeKubeconfig(directory: string, server: string, ca: string, token: string): string {
  const file = join(directory, 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}
