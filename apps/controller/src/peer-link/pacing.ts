/** How often a link asks; milliseconds. */
export interface Pacing {
  readonly publicMs: number;
  readonly pollMs: number;
  readonly streams: boolean;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
}

export const defaultPacing: Pacing = {
  publicMs: 15_000,
  pollMs: 15_000,
  streams: true,
  firstRetryMs: 250,
  longestRetryMs: 15_000,
};

/** Pause after the n-th failure in a row: doubles up to the longest, with full jitter in its upper half. `random` in [0, 1). */
export function delayAfter(failures: number, pacing: Pacing, random: number): number {
  const ceiling = Math.min(pacing.longestRetryMs, pacing.firstRetryMs * 2 ** Math.min(failures - 1, 20));
  return ceiling * (0.5 + 0.5 * random);
}

/** Resolves after so many milliseconds, or at once when the signal fires; never rejects. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) {
      done();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      done();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
  });
}
