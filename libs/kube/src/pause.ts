/** Waits, or rejects with the signal's reason as soon as it is aborted; leaves neither timer nor listener behind. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Exponential backoff with full jitter between half and the whole of each step; times in milliseconds. */
export class Backoff {
  #step: number;

  constructor(
    readonly firstMs: number,
    readonly capMs: number,
    readonly random: () => number = Math.random,
  ) {
    this.#step = firstMs;
  }

  next(): number {
    const delay = this.#step * (0.5 + this.random() / 2);
    this.#step = Math.min(this.#step * 2, this.capMs);
    return delay;
  }

  reset(): void {
    this.#step = this.firstMs;
  }
}
