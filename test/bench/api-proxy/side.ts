import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';

/** Fewer than an API server allows on one connection, on every side alike. */
const watchesPerConnection = 90;
/** What client-go asks for on a stream, and room for many of them. */
const streamWindow = 4 << 20;
const connectionWindow = 64 << 20;

export type SideName = 'direct' | 'door' | 'both';
export const sideNames: readonly SideName[] = ['direct', 'door', 'both'];

export interface SideAccess {
  readonly origin: string;
  /** Path before every target. */
  readonly prefix: string;
  readonly ca: string;
  /** A good token for one request. */
  readonly token: () => string;
}

export interface Answer {
  readonly ms: number;
  readonly bytes: number;
}

/** One way to the API server, as a reader takes it: HTTP/2, one kept connection for what ends, others for watches. */
export class Side {
  readonly #access: SideAccess;
  readonly #main: ClientHttp2Session;
  #watching: { readonly session: ClientHttp2Session; streams: number }[] = [];

  constructor(
    readonly name: SideName,
    access: SideAccess,
  ) {
    this.#access = access;
    this.#main = this.#connect();
  }

  /** A whole answer of 200; the token is made before time is taken. */
  ask(target: string, accept = 'application/json'): Promise<Answer> {
    const headers = this.#headers(target, accept);
    const started = performance.now();
    const stream = this.#main.request(headers);
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    return new Promise((done, fail) => {
      let ended = false;
      stream.on('end', () => (ended = true));
      this.#expectOK(stream, target, fail);
      stream.on('close', () => {
        if (ended && stream.rstCode === 0) done({ ms: performance.now() - started, bytes });
        else fail(new Error(`${this.name} ${target}: broke off after ${bytes} bytes (code ${stream.rstCode})`));
      });
    });
  }

  /** Opens a watch; resolves when the head of its answer is here. `onEnd` is told when it ends before `endWatches`. */
  watch(target: string, onData: (chunk: Buffer) => void, onEnd: (why: string) => void): Promise<void> {
    const lane = this.#lane();
    lane.streams += 1;
    const stream = lane.session.request(this.#headers(target, 'application/json'));
    return new Promise((done, fail) => {
      this.#expectOK(stream, target, fail, done);
      stream.on('data', onData);
      stream.on('close', () => {
        if (!lane.session.closed && !lane.session.destroyed) onEnd(`${this.name} ${target}: code ${stream.rstCode}`);
      });
    });
  }

  endWatches(): void {
    const before = this.#watching;
    this.#watching = [];
    for (const { session } of before) session.destroy();
  }

  close(): void {
    this.endWatches();
    this.#main.destroy();
  }

  #expectOK(stream: ClientHttp2Stream, target: string, fail: (error: Error) => void, done?: () => void): void {
    stream.on('error', fail);
    stream.on('response', ({ ':status': status }) => {
      if (status === 200) done?.();
      else fail(new Error(`${this.name} ${target}: answered ${status}`));
    });
  }

  #lane(): { readonly session: ClientHttp2Session; streams: number } {
    const last = this.#watching.at(-1);
    if (last !== undefined && last.streams < watchesPerConnection) return last;
    const lane = { session: this.#connect(), streams: 0 };
    this.#watching.push(lane);
    return lane;
  }

  #headers(target: string, accept: string): Record<string, string> {
    const { prefix, token } = this.#access;
    return { ':method': 'GET', ':path': `${prefix}${target}`, accept, authorization: `Bearer ${token()}` };
  }

  #connect(): ClientHttp2Session {
    const { origin, ca } = this.#access;
    const session = connect(origin, { ca, settings: { initialWindowSize: streamWindow } });
    session.on('connect', () => session.setLocalWindowSize(connectionWindow));
    session.on('error', () => undefined);
    return session;
  }
}
