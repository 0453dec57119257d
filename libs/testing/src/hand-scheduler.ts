import type { Clock } from '#model';
import type { Scheduler } from '#reconcile';

/** Clock that stands until it is told to move; Unix milliseconds. */
export class FixedClock implements Clock {
  #now: number;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Scheduler driven by hand: `advance` runs what falls due, in order of time, then lets promises settle. */
export class HandScheduler implements Scheduler {
  readonly #timers = new Set<Timer>();
  readonly #random: () => number;
  #now = 0;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  /** Delays that still wait, in milliseconds from now, soonest first. */
  get pending(): readonly number[] {
    return [...this.#timers].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  random(): number {
    return this.#random();
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (let due = this.#soonest(until); due !== undefined; due = this.#soonest(until)) {
      this.#timers.delete(due);
      this.#now = due.at;
      due.run();
      await settle();
    }
    this.#now = until;
    await settle();
  }

  #soonest(until: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
  }
}

/** Lets everything that is already resolved run to its end. */
export async function settle(): Promise<void> {
  await new Promise<void>((done) => setImmediate(done));
}
