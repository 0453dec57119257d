import { Agent, buildConnector } from 'undici';
import type { Dispatcher } from 'undici';
import { clusterAccessFromEnvironment } from './credentials.js';
import type { AccessRequest, ClusterAccess } from './credentials.js';
import type {
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  PatchType,
  Query,
  RawRequest,
  RawResponse,
  StreamResponse,
  WriteOptions,
} from './client.js';
import { kubeErrorFrom, KubeUnreachableError, NotFoundError, objectFrom } from './errors.js';
import type { ApiObject } from './object.js';
import { readPages } from './pages.js';
import { pause } from './pause.js';
import { pathFor, pathOfObject, resourceOf } from './resource.js';

const defaultTimeoutMs = 30_000;
const requestConnections = 16;
const defaultPageSize = 500;
/** API priority and fairness answers 429 under load; it is asked again this often before the caller hears of it. */
const overloadTries = 4;

/** `KubeClient` over undici: requests share a few kept-alive connections, every watch has its own. */
export class HttpKubeClient implements KubeClient {
  readonly server: string;
  readonly #origin: string;
  /** Path before every request's own: a proxy may serve several API servers under one host. */
  readonly #prefix: string;
  readonly #access: ClusterAccess;
  readonly #requests: Agent;
  readonly #streams: Agent;
  readonly #userAgent: string;

  constructor(access: ClusterAccess, userAgent = 'isthmus') {
    this.#access = access;
    this.server = access.server;
    const { origin, pathname } = new URL(access.server);
    this.#origin = origin;
    this.#prefix = pathname.replace(/\/+$/, '');
    this.#userAgent = userAgent;
    const connect: buildConnector.connector = (options, callback) => {
      // Built for every connection, so that a rotated CA or client certificate counts from the next one on.
      buildConnector({
        ...access.tls(),
        allowH2: false,
        timeout: 10_000,
        keepAlive: true,
        keepAliveInitialDelay: 15_000,
      })(options, callback);
    };
    this.#requests = new Agent({ connect, allowH2: false, connections: requestConnections, keepAliveTimeout: 30_000 });
    this.#streams = new Agent({ connect, allowH2: false, bodyTimeout: 0, headersTimeout: 30_000 });
  }

  async get<T extends ApiObject>(path: string, options: CallOptions = {}): Promise<T | undefined> {
    try {
      return await this.#json<T>({ method: 'GET', path, ...options });
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  async list<T extends ApiObject>(path: string, options: ListOptions = {}): Promise<T[]> {
    const { labelSelector, fieldSelector, pageSize = defaultPageSize, query, ...call } = options;
    const { items } = await readPages<T>(
      (page) => this.#json({ method: 'GET', path, ...call, query: { ...query, ...page } }),
      { labelSelector, fieldSelector },
      pageSize,
    );
    return items;
  }

  create<T extends ApiObject>(object: T, options: WriteOptions = {}): Promise<T> {
    const path = pathFor(resourceOf(object), { namespace: object.metadata?.namespace });
    return this.#json<T>({ method: 'POST', path, body: JSON.stringify(object), ...writeCall(options) });
  }

  replace<T extends ApiObject>(object: T, options: WriteOptions & { readonly subresource?: string } = {}): Promise<T> {
    const path = pathOfObject(object, options.subresource);
    return this.#json<T>({ method: 'PUT', path, body: JSON.stringify(object), ...writeCall(options) });
  }

  async delete(path: string, options: DeleteOptions = {}): Promise<boolean> {
    const { uid, resourceVersion, propagationPolicy = 'Background', ...call } = options;
    const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, preconditions });
    const response = await this.request({ method: 'DELETE', path, body, ...call });
    if (response.status === 404 || (response.status === 409 && uid !== undefined)) return false;
    if (response.status >= 300) throw kubeErrorFrom(response.status, response.body, { method: 'DELETE', path });
    return true;
  }

  apply<T extends ApiObject>(object: T, options: ApplyOptions): Promise<T> {
    return this.#apply(object, pathOfObject(object), options);
  }

  applyStatus<T extends ApiObject>(object: T, options: ApplyOptions): Promise<T> {
    return this.#apply(object, pathOfObject(object, 'status'), options);
  }

  patch<T extends ApiObject>(path: string, body: unknown, type: PatchType, options: WriteOptions = {}): Promise<T> {
    const headers = { 'content-type': type };
    return this.#json<T>({ method: 'PATCH', path, body: JSON.stringify(body), headers, ...writeCall(options) });
  }

  async request(request: RawRequest): Promise<RawResponse> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.#once(request);
      if (response.status === 401 && attempt === 1) {
        this.#access.refresh();
        continue;
      }
      if (response.status !== 429 || attempt >= overloadTries) return response;
      await pause(retryAfterMs(response), request.signal);
    }
  }

  async stream(request: RawRequest): Promise<StreamResponse> {
    for (let attempt = 1; ; attempt += 1) {
      const { statusCode, body, headers } = await this.#dispatch(this.#streams, request, request.signal);
      if (statusCode === 200) return { body };
      const text = await body.text();
      if (statusCode === 401 && attempt === 1) {
        this.#access.refresh();
        continue;
      }
      if (statusCode !== 429 || attempt >= overloadTries) throw kubeErrorFrom(statusCode, text, request);
      await pause(retryAfterMs({ headers }), request.signal);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#requests.destroy(), this.#streams.destroy()]);
  }

  #apply<T extends ApiObject>(object: T, path: string, options: ApplyOptions): Promise<T> {
    const { fieldManager, force = true, ...write } = options;
    const query = { ...write.query, fieldManager, force };
    return this.patch<T>(path, object, 'application/apply-patch+yaml', { ...write, query });
  }

  async #json<T extends object>(request: RawRequest): Promise<T> {
    const response = await this.request(request);
    if (response.status >= 300) throw kubeErrorFrom(response.status, response.body, request);
    return objectFrom<T>(response.body, request);
  }

  async #once(request: RawRequest): Promise<RawResponse> {
    const deadline = AbortSignal.timeout(request.timeoutMs ?? defaultTimeoutMs);
    const signal = request.signal === undefined ? deadline : AbortSignal.any([request.signal, deadline]);
    try {
      return await this.#exchange(request, signal);
    } catch (error) {
      // A kept-alive connection may die under a request (API server restart): what can be repeated safely is tried once more.
      if (signal.aborted || !isRepeatable(request) || !(error instanceof KubeUnreachableError)) throw error;
      return this.#exchange(request, signal);
    }
  }

  async #exchange(request: RawRequest, signal: AbortSignal): Promise<RawResponse> {
    const { statusCode, headers, body } = await this.#dispatch(this.#requests, request, signal);
    try {
      return { status: statusCode, headers, body: await body.text() };
    } catch (error) {
      throw this.#failure(error, request);
    }
  }

  async #dispatch(agent: Agent, request: RawRequest, signal?: AbortSignal): Promise<Dispatcher.ResponseData> {
    const headers = {
      accept: 'application/json',
      'user-agent': this.#userAgent,
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...request.headers,
      ...(await this.#access.headers()),
    };
    const { method, body } = request;
    try {
      return await agent.request({
        origin: this.#origin,
        path: `${this.#prefix}${request.path}${queryText(request.query)}`,
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw this.#failure(error, request);
    }
  }

  #failure(error: unknown, request: RawRequest): unknown {
    if (request.signal?.aborted === true) return error;
    return new KubeUnreachableError(this.server, { method: request.method, path: request.path }, error);
  }
}

/** Client for the cluster that the kubeconfig or the pod's service account names. */
export async function kubeClientFromEnvironment(
  request: AccessRequest & { readonly userAgent?: string } = {},
): Promise<KubeClient> {
  return new HttpKubeClient(await clusterAccessFromEnvironment(request), request.userAgent);
}

function isRepeatable(request: RawRequest): boolean {
  const { method, headers } = request;
  return method === 'GET' || (method === 'PATCH' && headers?.['content-type'] === 'application/apply-patch+yaml');
}

function writeCall(options: WriteOptions): CallOptions {
  const { dryRun = false, query, signal, timeoutMs } = options;
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    signal,
    query: dryRun ? { ...query, dryRun: 'All' } : { ...query },
  };
}

function queryText(query: Query | undefined): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`],
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function retryAfterMs(response: Pick<RawResponse, 'headers'>): number {
  const seconds = Number(response.headers['retry-after'] ?? 1);
  return Math.min(Number.isFinite(seconds) ? seconds : 1, 10) * 1000;
}
