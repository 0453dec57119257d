import type { Clock } from '#model';

/** Port for time and chance: the app gives real timers, specs a hand-driven one. */
export interface Scheduler extends Clock {
  /** Runs once after `ms`; the answer cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Number in [0, 1). */
  random(): number;
}
