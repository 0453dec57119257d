import type { ServerResponse } from 'node:http';
import { formatEvent, heartbeat } from '#protocol';
import type { PeerStanding } from '../documents/knowledge.js';
import type { ServedDocument } from '../documents/served-document.js';

export const heartbeatMs = 15_000;
/** A reader that takes nothing for so long is cut off. */
export const stuckMs = 30_000;

/** Why a stream ended. `over` = its time is up, or a key of the peer is gone and it is to prove itself anew; `untrusted` = the peer's trust went away, `draining` = we shut down. */
export type StreamEnd = 'over' | 'untrusted' | 'draining' | 'closed' | 'stuck';

export interface StreamOptions {
  readonly response: ServerResponse;
  /** The peer's document now, or undefined while there is none. */
  readonly current: () => ServedDocument | undefined;
  /** Calls back at every change that may concern this stream; returns the function that ends that. */
  readonly onChange: (listener: () => void) => () => void;
  /** How the peer that opened the stream stands now. */
  readonly standing: () => PeerStanding;
  readonly lastEventId: string | undefined;
  readonly lifeMs: number;
  readonly onSent: (document: ServedDocument) => void;
}

/** One open stream of one peer's document (docs/protocol.md, "Stream"). */
export class DocumentStream {
  /** Resolves when the stream is over. */
  readonly ended: Promise<StreamEnd>;
  readonly #options: StreamOptions;
  readonly #unlisten: () => void;
  readonly #timers: NodeJS.Timeout[];
  #lastSeq: string | undefined;
  #blockedSince: NodeJS.Timeout | undefined;
  #over = false;
  #settle: (end: StreamEnd) => void = () => undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#lastSeq = options.lastEventId;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    const { response, onChange, lifeMs } = options;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    response.on('close', () => this.end('closed'));
    response.on('error', () => this.end('closed'));
    response.on('drain', () => this.#unblock());
    this.#timers = [
      setInterval(() => this.#beat(), heartbeatMs),
      setTimeout(() => this.end('over'), lifeMs * (0.8 + Math.random() * 0.2)),
    ];
    this.#unlisten = onChange(() => this.#update());
    this.#write(heartbeat());
    this.#update();
  }

  /** Ends it in good order; the peer comes back with a fresh token. A stream that lost its peer's trust is cut. */
  end(reason: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#unlisten();
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#blockedSince);
    const { response } = this.#options;
    if (reason === 'stuck') response.destroy();
    else response.end();
    this.#settle(reason);
  }

  #update(): void {
    if (this.#over) return;
    const standing = this.#options.standing();
    if (standing !== 'trusted') {
      this.end(standing === 'rekeyed' ? 'over' : 'untrusted');
      return;
    }
    // While the reader is slow nothing piles up: it gets the newest document once it has taken the last.
    if (this.#blockedSince !== undefined) return;
    const document = this.#options.current();
    if (document === undefined || document.seq === this.#lastSeq) return;
    this.#lastSeq = document.seq;
    this.#write(formatEvent({ event: 'document', id: document.seq, data: document.body.toString('utf8') }));
    this.#options.onSent(document);
  }

  #beat(): void {
    if (this.#blockedSince === undefined) this.#write(heartbeat());
  }

  #write(text: string): void {
    if (this.#options.response.write(text)) return;
    this.#blockedSince ??= setTimeout(() => this.end('stuck'), stuckMs);
  }

  #unblock(): void {
    clearTimeout(this.#blockedSince);
    this.#blockedSince = undefined;
    this.#update();
  }
}

/** Open streams by peer: their number is bounded, and all end when we drain. */
export class StreamRegister {
  readonly #mostPerPeer: number;
  readonly #open = new Map<string, Set<DocumentStream>>();

  constructor(mostPerPeer: number) {
    this.#mostPerPeer = mostPerPeer;
  }

  get size(): number {
    return [...this.#open.values()].reduce((sum, streams) => sum + streams.size, 0);
  }

  hasRoomFor(peer: string): boolean {
    return (this.#open.get(peer)?.size ?? 0) < this.#mostPerPeer;
  }

  add(peer: string, stream: DocumentStream): void {
    const streams = this.#open.get(peer) ?? new Set();
    this.#open.set(peer, streams.add(stream));
    void stream.ended.then(() => {
      streams.delete(stream);
      if (streams.size === 0 && this.#open.get(peer) === streams) this.#open.delete(peer);
    });
  }

  endAll(reason: StreamEnd): void {
    for (const streams of [...this.#open.values()]) for (const stream of [...streams]) stream.end(reason);
  }
}
