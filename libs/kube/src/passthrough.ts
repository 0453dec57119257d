import { buildConnector } from 'undici';
import type { Dispatcher } from 'undici';
import type { ClusterAccess } from './credentials.js';
import { Exchanges } from './exchanges.js';
import type { ExchangeRequest } from './exchanges.js';

const connectTimeoutMs = 10_000;
/** An API server answers a list within its own minute; a watch begins at once. */
const headersTimeoutMs = 65_000;
const idleConnectionMs = 30_000;
const pingMs = 30_000;

export interface PassthroughRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, exactly as it is to be sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** True for a watch. */
  readonly long: boolean;
}

/** The exchange that carries a request, with these headers besides. */
export function withCredential(
  { method, target, headers, body, long }: PassthroughRequest,
  credential: Readonly<Record<string, string>>,
): ExchangeRequest {
  return { method, path: target, headers: { ...headers, ...credential }, body: body ?? null, long };
}

/**
 * Raw exchanges with our own API server: what comes is handed on as it comes, whatever its status, compressed as it is. Only the credential
 * is added.
 */
export class Passthrough {
  readonly #access: ClusterAccess;
  readonly #exchanges: Exchanges;

  constructor(access: ClusterAccess) {
    this.#access = access;
    this.#exchanges = new Exchanges({
      origin: access.server,
      connector: (allowH2) => buildConnector({ ...access.tls(), allowH2, timeout: connectTimeoutMs, keepAlive: true }),
      headersTimeoutMs,
      idleConnectionMs,
      pingMs,
    });
  }

  /** Begins an exchange; the handler is told everything else, failures too. */
  async send(request: PassthroughRequest, handler: Dispatcher.DispatchHandler): Promise<void> {
    await this.#exchanges.send(withCredential(request, await this.#access.headers()), handler);
  }

  /** To be called after a 401: the credential is read anew. */
  refresh(): void {
    this.#access.refresh();
  }

  close(): Promise<void> {
    return this.#exchanges.close();
  }
}
