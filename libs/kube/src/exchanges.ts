import type { Socket } from 'node:net';
import { buildConnector, Client, Pool } from 'undici';
import type { Dispatcher } from 'undici';

/** Fewer than API servers allow on one connection (100 as a rule): none must wait until a watch of ten minutes ends. */
const streamsPerConnection = 90;
/** Kept for exchanges that end soon, which HTTP/1.1 carries at half the cost; what is more at a time goes over HTTP/2. */
const briefConnections = 8;

export interface ExchangeOptions {
  /** `https://host:port`. */
  readonly origin: string;
  /** Asked for every connection, so that rotated certificates count from the next one on. */
  readonly connector: (allowH2: boolean) => buildConnector.connector;
  /** How long an answer may take to begin, milliseconds. */
  readonly headersTimeoutMs: number;
  readonly idleConnectionMs: number;
  /** A dead server is noticed so soon on connections where only silent watches are open; milliseconds. */
  readonly pingMs: number;
}

export interface ExchangeRequest extends Dispatcher.DispatchOptions {
  /** True for a watch, which stays open. */
  readonly long: boolean;
}

interface Connection {
  readonly client: Client;
  open: number;
}

/**
 * Raw exchanges with one server: long ones over few HTTP/2 connections, as many as come; brief ones over a handful of HTTP/1.1 connections
 * (docs/benchmarks.md, "API proxies"), all of them where it speaks nothing else. No redirect is followed.
 */
export class Exchanges {
  readonly #options: ExchangeOptions;
  #connections: readonly Connection[] = [];
  #speaksH2: Promise<boolean> | undefined;
  #pool: Pool | undefined;
  #briefPool: Pool | undefined;
  #briefOpen = 0;
  /** Whether brief exchanges end well over HTTP/1.1: a server, or what stands before it, may speak HTTP/2 only. */
  #brief: 'untried' | 'works' | 'refused' = 'untried';

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Begins an exchange; the handler is told everything else, failures too. Rejects when it cannot even be asked what the server speaks. */
  async send(request: ExchangeRequest, handler: Dispatcher.DispatchHandler): Promise<void> {
    const { long, ...options } = request;
    if (!(await this.#asked()))
      this.#http1Pool().dispatch(options, new Counted(handler, (error) => this.#ended(error)));
    else if (!long && this.#brief !== 'refused' && this.#briefOpen < briefConnections)
      this.#sendBriefly(options, handler);
    else this.#sendOverH2(options, handler);
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#pool?.destroy(),
      this.#briefPool?.destroy(),
      ...this.#connections.map(({ client }) => client.destroy()),
    ]);
  }

  /** undici's own pool leaves requests waiting for a connection with room, so connections are chosen here. */
  #sendOverH2(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const connection = this.#connections.find(({ open }) => open < streamsPerConnection) ?? this.#connect();
    connection.open += 1;
    const ended = (error?: Error): void => {
      connection.open -= 1;
      this.#ended(error);
      this.#letGo(connection);
    };
    connection.client.dispatch(options, new Counted(handler, ended));
  }

  #sendBriefly(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#briefPool ??= new Pool(this.#options.origin, {
      ...this.#clientOptions(false),
      connections: briefConnections,
    });
    this.#briefOpen += 1;
    const ended = (error?: Error): void => {
      this.#briefOpen -= 1;
      if (error === undefined) this.#brief = 'works';
      else if (this.#brief === 'untried' && 'code' in error) this.#brief = 'refused';
      this.#ended(error);
    };
    this.#briefPool.dispatch(options, new Counted(handler, ended));
  }

  #connect(): Connection {
    const { idleConnectionMs: keepAliveTimeout, pingMs: pingInterval } = this.#options;
    const client = new Client(this.#options.origin, {
      ...this.#clientOptions(true),
      keepAliveTimeout,
      h2Options: { maxConcurrentStreams: streamsPerConnection, pingInterval },
    });
    const connection = { client, open: 0 };
    this.#connections = [...this.#connections, connection];
    return connection;
  }

  /** Connections beyond the first were opened for a crowd: they go with it. */
  #letGo(connection: Connection): void {
    if (connection.open > 0 || this.#connections[0] === connection) return;
    this.#connections = this.#connections.filter((each) => each !== connection);
    void connection.client.close().catch(() => undefined);
  }

  /** After a connection broke another server may stand there, which speaks something else. What we ended ourselves carries no code. */
  #ended(error: Error | undefined): void {
    if (error !== undefined && 'code' in error && this.#connections.every(({ open }) => open === 0))
      this.#speaksH2 = undefined;
  }

  #http1Pool(): Pool {
    this.#pool ??= new Pool(this.#options.origin, this.#clientOptions(false));
    return this.#pool;
  }

  #clientOptions(allowH2: boolean): Client.Options {
    const { connector, headersTimeoutMs: headersTimeout, idleConnectionMs: keepAliveTimeout } = this.#options;
    const connect: buildConnector.connector = (options, callback) => connector(allowH2)(options, callback);
    return { connect, allowH2, headersTimeout, bodyTimeout: 0, keepAliveTimeout };
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
    const { hostname, host, protocol, port } = new URL(this.#options.origin);
    return new Promise((resolve, reject) => {
      const target = { hostname, host, protocol, port: port === '' ? '443' : port };
      // undici's connector leaves the socket out where its type says null.
      this.#options.connector(true)(target, (error: Error | null, socket?: Socket | null) => {
        if (error !== null || socket === undefined || socket === null) {
          reject(error ?? new Error('no connection'));
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
  readonly #ended: (error?: Error) => void;

  constructor(handler: Dispatcher.DispatchHandler, ended: (error?: Error) => void) {
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
    this.#ended(error);
    this.#handler.onResponseError?.(controller, error);
  }
}
