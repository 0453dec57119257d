import { buildConnector, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { ClusterAccess } from './credentials.js';

const connectTimeoutMs = 10_000;
/** An API server answers a list within its own minute; a watch begins at once. */
const headersTimeoutMs = 65_000;
const idleConnectionMs = 30_000;
/** What API servers allow on one connection, as a rule. */
const streamsPerConnection = 100;

export interface PassthroughRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, exactly as it is to be sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

/**
 * Raw exchanges with one API server over few HTTP/2 connections (HTTP/1.1 where it speaks nothing else): what comes is handed on as it
 * comes, whatever its status, compressed as it is; no redirect is followed. Only the credential is added.
 */
export class Passthrough {
  readonly #access: ClusterAccess;
  readonly #pool: Pool;

  constructor(access: ClusterAccess) {
    this.#access = access;
    const connect: buildConnector.connector = (options, callback) => {
      // Built for every connection, so that a rotated CA counts from the next one on.
      buildConnector({ ...access.tls(), allowH2: true, timeout: connectTimeoutMs, keepAlive: true })(options, callback);
    };
    this.#pool = new Pool(access.server, {
      connect,
      allowH2: true,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: 0,
      keepAliveTimeout: idleConnectionMs,
      h2Options: { maxConcurrentStreams: streamsPerConnection },
    });
  }

  /** Begins an exchange; the handler is told everything else, failures too. */
  async send(request: PassthroughRequest, handler: Dispatcher.DispatchHandler): Promise<void> {
    const { method, target, headers, body } = request;
    const credential = await this.#access.headers();
    this.#pool.dispatch({ method, path: target, headers: { ...headers, ...credential }, body: body ?? null }, handler);
  }

  /** To be called after a 401: the credential is read anew. */
  refresh(): void {
    this.#access.refresh();
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
