import type { Clock } from '#model';

/** Something that can be given its turn to send. */
export interface Pushable {
  /** Sends what is due; returns whether an answer is awaited. */
  turn(): boolean;
}

export interface PushQueueOptions {
  readonly clock: Clock;
  /** Streams that may have an unanswered response at one time: each holds a copy of it in memory. */
  readonly mostInFlight?: number;
  /** Milliseconds after which a stream that does not answer no longer holds a place. */
  readonly patienceMs?: number;
  /** Lets other work in between; replaced in specs. */
  readonly later?: (work: () => void) => void;
}

const sliceMs = 10;

/** Order in which streams are served: each once however often it is marked, a bounded number on their way at a time. */
export class PushQueue {
  readonly #waiting = new Set<Pushable>();
  readonly #inFlight = new Map<Pushable, number>();
  readonly #options: Required<PushQueueOptions>;
  #scheduled = false;

  constructor(options: PushQueueOptions) {
    this.#options = { mostInFlight: 100, patienceMs: 5_000, later: (work) => setImmediate(work), ...options };
  }

  /** Streams that wait for their turn. */
  get length(): number {
    return this.#waiting.size;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  mark(stream: Pushable): void {
    this.#waiting.add(stream);
    this.#schedule();
  }

  /** The stream sent something outside its turn, or answered: `awaits` says whether an answer is still to come. */
  note(stream: Pushable, awaits: boolean): void {
    if (awaits) {
      if (!this.#inFlight.has(stream)) this.#inFlight.set(stream, this.#options.clock.now());
    } else if (this.#inFlight.delete(stream)) this.#schedule();
  }

  forget(stream: Pushable): void {
    this.#waiting.delete(stream);
    this.note(stream, false);
  }

  /** Frees the places of streams that have not answered for too long; called every second or so. */
  releaseSilent(): void {
    const before = this.#options.clock.now() - this.#options.patienceMs;
    for (const [stream, since] of this.#inFlight) if (since <= before) this.#inFlight.delete(stream);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.size === 0) return;
    this.#scheduled = true;
    this.#options.later(() => {
      this.#scheduled = false;
      this.#serve();
    });
  }

  #serve(): void {
    const { clock, mostInFlight } = this.#options;
    const end = clock.now() + sliceMs;
    for (const stream of this.#waiting) {
      if (this.#inFlight.size >= mostInFlight && !this.#inFlight.has(stream)) return;
      this.#waiting.delete(stream);
      this.note(stream, stream.turn());
      if (clock.now() >= end) break;
    }
    this.#schedule();
  }
}
