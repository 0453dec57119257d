import { asError } from '#model';
import { backoffDelay, defaultBackoff } from './backoff.js';
import type { Backoff } from './backoff.js';
import type { Key, Outcome } from './reconciler.js';
import type { Scheduler } from './scheduler.js';

export interface WorkQueueOptions {
  readonly scheduler: Scheduler;
  /** Keys worked on at once; one key is never worked on twice at once. */
  readonly concurrency: number;
  /** Keys for which the work on others may wait: they take no place among those, and never wait for one. */
  readonly apart?: ReadonlySet<Key>;
  readonly work: (key: Key, signal: AbortSignal) => Promise<Outcome>;
  readonly backoff?: Backoff;
  /** Told after each run: for logs and metrics. A listener that throws is ignored. */
  readonly onOutcome?: (key: Key, outcome: Outcome, retryInMs: number | undefined) => void;
}

/**
 * Queue of keys. A key that is added while waiting is worked on once; while being worked on, once more afterwards.
 * A delayed key that is added runs at once; of two delays the earlier counts. Failures back off per key,
 * so one bad peer never delays another.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ready = new Set<Key>();
  readonly #running = new Map<Key, Promise<void>>();
  readonly #delayed = new Map<Key, { readonly cancel: () => void; readonly due: number }>();
  readonly #failures = new Map<Key, number>();
  #signal: AbortSignal | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = { ...options };
  }

  /** Keys that wait for a free worker. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Keys being worked on. */
  get active(): number {
    return this.#running.size;
  }

  /** Begins to work; aborting the signal stops taking keys and drops delays. Work under way gets the same signal. */
  start(signal: AbortSignal): void {
    if (this.#signal !== undefined) throw new Error('this work queue has been started already: make one queue per run');
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#stop(), { once: true });
    this.#pump();
  }

  add(key: Key): void {
    if (this.#signal?.aborted === true) return;
    this.#cancelDelay(key);
    this.#ready.add(key);
    this.#pump();
  }

  /** Adds the key in `ms`, unless it comes sooner by itself. */
  addAfter(key: Key, ms: number): void {
    if (this.#signal?.aborted === true || this.#ready.has(key)) return;
    const due = this.#options.scheduler.now() + ms;
    if ((this.#delayed.get(key)?.due ?? Number.POSITIVE_INFINITY) <= due) return;
    this.#cancelDelay(key);
    const cancel = this.#options.scheduler.after(ms, () => this.add(key));
    this.#delayed.set(key, { cancel, due });
  }

  /** Forgets failures and delays of a key whose object is gone. */
  forget(key: Key): void {
    this.#failures.delete(key);
    this.#cancelDelay(key);
    this.#ready.delete(key);
  }

  /** Resolves when the work under way has ended. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #pump(): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    const { apart, concurrency } = this.#options;
    for (const key of this.#ready) {
      if (this.#running.has(key)) continue;
      if (apart?.has(key) !== true && this.#runningTogether() >= concurrency) continue;
      this.#ready.delete(key);
      this.#cancelDelay(key);
      this.#running.set(key, this.#run(key, this.#signal));
    }
  }

  #runningTogether(): number {
    const { apart } = this.#options;
    return apart === undefined ? this.#running.size : [...this.#running.keys()].filter((key) => !apart.has(key)).length;
  }

  async #run(key: Key, signal: AbortSignal): Promise<void> {
    const outcome = await this.#options.work(key, signal).catch(asFailure);
    this.#running.delete(key);
    const retryInMs = this.#retryDelay(key, outcome);
    try {
      this.#options.onOutcome?.(key, outcome, retryInMs);
    } catch {
      // A listener only watches: its fault must not stop the loop.
    }
    if (retryInMs !== undefined) this.addAfter(key, retryInMs);
    this.#pump();
  }

  #retryDelay(key: Key, outcome: Outcome): number | undefined {
    if (outcome.kind === 'failed') {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      return backoffDelay(this.#options.backoff ?? defaultBackoff, failures, this.#options.scheduler.random());
    }
    this.#failures.delete(key);
    if (outcome.kind === 'gone' || outcome.next.kind === 'stalled') return undefined;
    return outcome.next.afterMs;
  }

  #cancelDelay(key: Key): void {
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }

  #stop(): void {
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#ready.clear();
  }
}

function asFailure(cause: unknown): Outcome {
  return { kind: 'failed', phase: 'gather', error: asError(cause) };
}
