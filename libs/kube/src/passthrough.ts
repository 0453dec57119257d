import { buildConnector, Client, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { ClusterAccess } from './credentials.js';

const connectTimeoutMs = 10_000;
/** An API server answers a list within its own minute; a watch begins at once. */
const headersTimeoutMs = 65_000;
const idleConnectionMs = 30_000;
/** Fewer than API servers allow on one connection (100 as a rule): none must wait until a watch of ten minutes ends. */
const streamsPerConnection = 90;

export interface PassthroughRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, exactly as it is to be sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

interface Connection {
  readonly client: Client;
  open: number;
}

/**
 * Raw exchanges with one API server over few HTTP/2 connections (HTTP/1.1 where it speaks nothing else): what comes is handed on as it
 * comes, whatever its status, compressed as it is; no redirect is followed. Only the credential is added.
 */
export class Passthrough {
  readonly #access: ClusterAccess;
  readonly #connections: Connection[] = [];
  #speaksH2: Promise<boolean> | undefined;
  #pool: Pool | undefined;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** Begins an exchange; the handler is told everything else, failures too. */
  async send(request: PassthroughRequest, handler: Dispatcher.DispatchHandler): Promise<void> {
    const { method, target, headers, body } = request;
    const [credential, speaksH2] = await Promise.all([this.#access.headers(), this.#asked()]);
    const options = { method, path: target, headers: { ...headers, ...credential }, body: body ?? null };
    if (speaksH2) this.#sendOverH2(options, handler);
    else this.#http1Pool().dispatch(options, handler);
  }

  /** To be called after a 401: the credential is read anew. */
  refresh(): void {
    this.#access.refresh();
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool?.destroy(), ...this.#connections.map(({ client }) => client.destroy())]);
  }

  /** undici's own pool leaves requests waiting for a connection with room, so connections are chosen here. */
  #sendOverH2(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const connection = this.#connections.find(({ open }) => open < streamsPerConnection) ?? this.#connect();
    connection.open += 1;
    const ended = (): void => void (connection.open -= 1);
    connection.client.dispatch(options, new Counted(handler, ended));
  }

  #connect(): Connection {
    const client = new Client(this.#access.server, {
      ...this.#timeouts(true),
      h2Options: { maxConcurrentStreams: streamsPerConnection },
    });
    const connection = { client, open: 0 };
    this.#connections.push(connection);
    return connection;
  }

  #http1Pool(): Pool {
    this.#pool ??= new Pool(this.#access.server, this.#timeouts(false));
    return this.#pool;
  }

  #timeouts(allowH2: boolean): Client.Options {
    const connect: buildConnector.connector = (options, callback) => this.#connector(allowH2)(options, callback);
    return {
      connect,
      allowH2,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: 0,
      keepAliveTimeout: idleConnectionMs,
    };
  }

  /** Built for every connection, so that a rotated CA counts from the next one on. */
  #connector(allowH2: boolean): buildConnector.connector {
    return buildConnector({ ...this.#access.tls(), allowH2, timeout: connectTimeoutMs, keepAlive: true });
  }

  /** Asked once, by a handshake; again when it failed. */
  #asked(): Promise<boolean> {
    this.#speaksH2 ??= this.#ask().catch((error: unknown) => {
      this.#speaksH2 = undefined;
      throw error;
    });
    return this.#speaksH2;
  }

  #ask(): Promise<boolean> {
    const { hostname, host, protocol, port } = new URL(this.#access.server);
    return new Promise((resolve, reject) => {
      this.#connector(true)({ hostname, host, protocol, port: port === '' ? '443' : port }, (error, socket) => {
        if (socket === null) {
          reject(error);
          return;
        }
        resolve((socket as { alpnProtocol?: unknown }).alpnProtocol === 'h2');
        socket.destroy();
      });
    });
  }
}

/** Hands everything on, and notes the end of the exchange. */
class Counted implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #ended: () => void;

  constructor(handler: Dispatcher.DispatchHandler, ended: () => void) {
    this.#handler = handler;
    this.#ended = ended;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(...told: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.#handler.onResponseStart?.(...told);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(...told: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#ended();
    this.#handler.onResponseEnd?.(...told);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#ended();
    this.#handler.onResponseError?.(controller, error);
  }
}
