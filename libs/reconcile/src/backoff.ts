/** Exponential backoff: `firstMs` doubled with each failure up to `mostMs`, spread by ± `jitter` (0…1) of itself. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
  readonly jitter: number;
}

/** For writes and reads of our own API server. */
export const defaultBackoff: Backoff = { firstMs: 200, mostMs: 60_000, jitter: 0.2 };

/** Delay before try number `failures` + 1; `random` in [0, 1). */
export function backoffDelay(backoff: Backoff, failures: number, random: number): number {
  const exponent = Math.min(Math.max(failures, 1) - 1, 30);
  const base = Math.min(backoff.firstMs * 2 ** exponent, backoff.mostMs);
  return Math.round(base * (1 - backoff.jitter + 2 * backoff.jitter * random));
}
