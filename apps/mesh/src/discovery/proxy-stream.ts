import { status as grpcStatus } from '@grpc/grpc-js';
import {
  openStream,
  outstanding,
  parseProxyNode,
  step,
  type Digest,
  type Outgoing,
  type Protocol,
  type ProxyNode,
  type Reading,
  type Served,
  type StreamEvent,
  type StreamState,
} from '#xds';
import { mismatch, type Refused } from './admission.js';
import type { Pushable } from './push-queue.js';
import type { IntroducedNode, ReceivedRequest } from './requests.js';
import type { WorkloadIdentity } from './token-reviews.js';

/** What proxies are served now; the same content for as long as `generation` is the same. */
export interface ServedSource {
  readonly generation: number;
  servedFor(node: ProxyNode): Served;
}

/** The connection below a stream. */
export interface StreamWire {
  readonly protocol: Protocol;
  /** Writes one response; returns its size in bytes. */
  write(outgoing: Outgoing): number;
  end(refused: Refused): void;
}

/** Told what happens on streams, for metrics and logs. */
export interface StreamObserver {
  sent(stream: ProxyStream, outgoing: Outgoing, bytes: number): void;
  read(stream: ProxyStream, typeUrl: string, reading: Reading, error: string | undefined): void;
  /** All that was sent up to this generation has been answered. */
  settled(stream: ProxyStream, generation: number): void;
}

export interface ProxyStreamOptions {
  readonly id: number;
  readonly wire: StreamWire;
  /** Undefined on the plaintext listener, where nobody proves anything. */
  readonly identity: WorkloadIdentity | undefined;
  readonly source: () => ServedSource | undefined;
  readonly digest: Digest;
  readonly observer: StreamObserver;
  readonly connectedAt: number;
  /** Places the stream among those waiting for their turn. */
  readonly queue: { mark(stream: Pushable): void; note(stream: Pushable, awaits: boolean): void };
}

/** One aggregated stream: it learns who is there, then moves messages between the wire and the reducer. */
export class ProxyStream implements Pushable {
  readonly id: number;
  readonly connectedAt: number;
  readonly #options: ProxyStreamOptions;
  #node: ProxyNode | undefined;
  #state: StreamState | undefined;
  #generation = -1;
  #backlog: StreamEvent[] = [];
  #ended = false;

  constructor(options: ProxyStreamOptions) {
    this.#options = options;
    this.id = options.id;
    this.connectedAt = options.connectedAt;
  }

  /** The proxy, once it has introduced itself. */
  get node(): ProxyNode | undefined {
    return this.#node;
  }

  get protocol(): Protocol {
    return this.#options.wire.protocol;
  }

  get state(): StreamState | undefined {
    return this.#state;
  }

  /** Generation of what the stream was last given. */
  get generation(): number {
    return this.#generation;
  }

  /** Requests are answered as they come; only the first waits for its turn, since it is the one that costs. */
  receive({ event, node }: ReceivedRequest): void {
    if (this.#ended) return;
    if (this.#node === undefined && !this.#introduce(node)) return;
    if (this.#state === undefined) {
      this.#backlog.push(event);
      this.#options.queue.mark(this);
      return;
    }
    this.#happen(event);
    this.#options.queue.note(this, this.#awaits());
  }

  turn(): boolean {
    if (this.#ended || this.#node === undefined) return false;
    const source = this.#options.source();
    if (source === undefined) {
      this.end({ code: grpcStatus.UNAVAILABLE, details: 'the mesh model is not complete yet; try again' });
      return false;
    }
    if (source.generation !== this.#generation) this.#refresh(source, this.#node);
    for (const event of this.#backlog.splice(0)) this.#happen(event);
    return this.#awaits();
  }

  /** Ends the stream from our side. */
  end(refused: Refused): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.wire.end(refused);
  }

  /** The other side is gone: nothing may be written any more. */
  closed(): void {
    this.#ended = true;
  }

  #introduce(node: IntroducedNode | undefined): boolean {
    if (node === undefined || node.id === '') {
      this.end({ code: grpcStatus.INVALID_ARGUMENT, details: 'the first request of a stream must carry node.id' });
      return false;
    }
    const parsed = parseProxyNode(node.id, node.metadata, node.locality);
    if (!parsed.ok) {
      this.end({ code: grpcStatus.INVALID_ARGUMENT, details: parsed.fault });
      return false;
    }
    const { identity } = this.#options;
    const wrong = identity === undefined ? undefined : mismatch(identity, parsed.value);
    if (wrong !== undefined) {
      this.end(wrong);
      return false;
    }
    this.#node = parsed.value;
    return true;
  }

  #refresh(source: ServedSource, node: ProxyNode): void {
    const served = source.servedFor(node);
    this.#generation = source.generation;
    if (this.#state === undefined) this.#state = openStream(this.protocol, served, this.#options.digest);
    else this.#happen({ kind: 'served', served });
    if (!this.#awaits()) this.#options.observer.settled(this, this.#generation);
  }

  #happen(event: StreamEvent): void {
    if (this.#state === undefined) return;
    const awaited = this.#awaits();
    const { state, send, reading } = step(this.#state, event);
    this.#state = state;
    const { observer, wire } = this.#options;
    if (event.kind !== 'served' && reading !== undefined) observer.read(this, event.typeUrl, reading, event.error);
    for (const outgoing of send) observer.sent(this, outgoing, wire.write(outgoing));
    if (awaited && !this.#awaits()) observer.settled(this, this.#generation);
  }

  #awaits(): boolean {
    return this.#state !== undefined && outstanding(this.#state) > 0;
  }
}
