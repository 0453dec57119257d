import type { Clock } from '#model';

const burstSeconds = 1;

/** Limit of new streams per second as a bucket of one second; 0 lets all in. */
export class StreamRate {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#tokens = perSecond * burstSeconds;
    this.#filledAt = clock.now();
  }

  /** Takes one place; false when there is none now. */
  admits(): boolean {
    if (this.#perSecond === 0) return true;
    const now = this.#clock.now();
    const gained = ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond * burstSeconds, this.#tokens + Math.max(0, gained));
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
