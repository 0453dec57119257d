import type { Clock } from '#model';

export interface DebounceOptions {
  readonly quietMs: number;
  readonly maxMs: number;
  readonly clock: Clock;
  /** Calls back after so many milliseconds; returns what takes that back. Replaced in specs. */
  readonly later?: (work: () => void, milliseconds: number) => () => void;
}

/** Turns a burst of changes into one run: after so much quiet, at the latest so long after the first change. */
export class Debounce {
  readonly #run: (firstChangeAt: number) => void;
  readonly #options: Required<DebounceOptions>;
  #firstAt: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(run: (firstChangeAt: number) => void, options: DebounceOptions) {
    this.#run = run;
    this.#options = { later: afterTimeout, ...options };
  }

  /** Something changed. */
  trigger(): void {
    const { clock, quietMs, maxMs, later } = this.#options;
    const now = clock.now();
    this.#firstAt ??= now;
    this.#cancel?.();
    this.#cancel = later(() => this.#fire(), Math.max(0, Math.min(quietMs, this.#firstAt + maxMs - now)));
  }

  stop(): void {
    this.#cancel?.();
    this.#firstAt = undefined;
  }

  #fire(): void {
    const firstAt = this.#firstAt ?? this.#options.clock.now();
    this.#firstAt = undefined;
    this.#cancel = undefined;
    this.#run(firstAt);
  }
}

function afterTimeout(work: () => void, milliseconds: number): () => void {
  const timer = setTimeout(work, milliseconds);
  return () => clearTimeout(timer);
}
