import { readFileSync, statSync } from 'node:fs';

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Kubelets replace projected tokens long before they end; a file looked at this often is never stale. */
const rereadAfterMs = 10_000;

/** TLS facts for the next connection to the API server. */
export interface ClusterTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** How to reach and log in to one API server. Both answers may change over time (rotation), so they are asked for each time. */
export interface ClusterAccess {
  readonly server: string;
  tls(): ClusterTls;
  /** Headers that carry the credential, also of impersonation. */
  headers(): Promise<Readonly<Record<string, string>>>;
  /** Called after a 401: forget what was cached. */
  refresh(): void;
  /** Namespace of the kubeconfig's context or of our pod. */
  readonly namespace?: string | undefined;
}

/** Reads a file again at most every ten seconds, or at once after `forget`; keeps the last good content while a read fails. */
class RereadFile {
  #content: string | undefined;
  #readAt = 0;
  #changedAt = 0;

  constructor(readonly path: string) {}

  get(): string {
    const now = Date.now();
    if (this.#content !== undefined && now - this.#readAt < rereadAfterMs) return this.#content;
    try {
      const { mtimeMs } = statSync(this.path);
      if (this.#content === undefined || mtimeMs !== this.#changedAt) this.#content = readFileSync(this.path, 'utf8');
      this.#changedAt = mtimeMs;
      this.#readAt = now;
    } catch (error) {
      if (this.#content === undefined) throw error;
    }
    return this.#content;
  }

  forget(): void {
    this.#readAt = 0;
    this.#changedAt = 0;
  }
}

/** Access of a pod with a service account; `directory` is where the kubelet mounts token, ca.crt and namespace. */
export function inClusterAccess(host: string, port: string, directory = serviceAccountDirectory): ClusterAccess {
  const token = new RereadFile(`${directory}/token`);
  const ca = new RereadFile(`${directory}/ca.crt`);
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return {
    server: `https://${bracketed}:${port}`,
    tls: () => ({ ca: ca.get() }),
    headers: () => Promise.resolve({ authorization: `Bearer ${token.get().trim()}` }),
    refresh: () => {
      token.forget();
      ca.forget();
    },
    namespace: readIfThere(`${directory}/namespace`),
  };
}

/** Access with a fixed bearer token, for tests and for peers' API servers. */
export function tokenAccess(server: string, token: string, ca?: string): ClusterAccess {
  return {
    server: server.replace(/\/+$/, ''),
    tls: () => (ca === undefined ? {} : { ca }),
    headers: () => Promise.resolve({ authorization: `Bearer ${token}` }),
    refresh: () => undefined,
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

interface HttpsOptions {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  servername?: string;
  rejectUnauthorized?: boolean;
  auth?: string;
  headers?: Record<string, string>;
}

/**
 * Access by a kubeconfig file (its current context, or `context`); exec plugins, token files and client certificates are
 * client-node's business. The package is loaded here only: it costs 90 MB that a pod with a service account can save.
 */
export async function kubeconfigAccess(file: string, context?: string): Promise<ClusterAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(file);
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(
      `kubeconfig ${file}: context "${config.getCurrentContext()}" names no cluster; set current-context`,
    );
  }
  let options = await httpsOptions(config);
  let askedAt = Date.now();
  return {
    server: cluster.server.replace(/\/+$/, ''),
    tls: () => pickTls(options),
    headers: async () => {
      if (Date.now() - askedAt > rereadAfterMs) {
        options = await httpsOptions(config);
        askedAt = Date.now();
      }
      return headersOf(options);
    },
    refresh: () => {
      askedAt = 0;
    },
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
  };
}

async function httpsOptions(config: { applyToHTTPSOptions(options: object): Promise<void> }): Promise<HttpsOptions> {
  const options: HttpsOptions = { headers: {} };
  await config.applyToHTTPSOptions(options);
  return options;
}

function pickTls(options: HttpsOptions): ClusterTls {
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function headersOf(options: HttpsOptions): Readonly<Record<string, string>> {
  const basic =
    options.auth === undefined ? {} : { authorization: `Basic ${Buffer.from(options.auth).toString('base64')}` };
  return { ...basic, ...options.headers };
}

export interface AccessRequest {
  /** Path of a kubeconfig file; without it the pod's service account is used. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Defaults to this process's environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Kubeconfig when one is named (argument, then KUBECONFIG), else the pod's service account; else an error that says both ways. */
export async function clusterAccessFromEnvironment(request: AccessRequest = {}): Promise<ClusterAccess> {
  const environment = request.environment ?? process.env;
  const file = request.kubeconfig ?? environment['KUBECONFIG'];
  if (file !== undefined && file !== '') return kubeconfigAccess(file, request.context);
  const host = environment['KUBERNETES_SERVICE_HOST'];
  if (host === undefined) {
    throw new Error(
      'no cluster to talk to: set KUBECONFIG to a kubeconfig file, or run in a pod with a service account',
    );
  }
  return inClusterAccess(host, environment['KUBERNETES_SERVICE_PORT'] ?? '443');
}
