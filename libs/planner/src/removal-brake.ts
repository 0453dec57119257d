import { annotations } from '#model';

/** Ten minutes, product section 2. */
export const removalHoldMs = 600_000;
const fewest = 10;

export interface RemovalInput {
  /** Hosts imported from this peer now. */
  readonly current: readonly string[];
  /** Hosts of its new, valid document. */
  readonly next: readonly string[];
  /** Unix ms at which this removal was first held, if it is held. */
  readonly heldSince?: number | undefined;
  /** The operator has released it. */
  readonly accepted: boolean;
  readonly now: number;
}

export type RemovalVerdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'hold'; readonly since: number; readonly until: number; readonly removed: readonly string[] };

/**
 * The brake: a new document that would remove more than half of at least ten imported services is held, the old state stays.
 * It passes after ten minutes, when it is accepted, or when a later document no longer removes as much.
 */
export function removalBrake({ current, next, heldSince, accepted, now }: RemovalInput): RemovalVerdict {
  const offered = new Set(next);
  const removed = current.filter((host) => !offered.has(host)).sort();
  if (accepted || current.length < fewest || removed.length * 2 <= current.length) return { kind: 'pass' };
  const since = heldSince ?? now;
  const until = since + removalHoldMs;
  return now >= until ? { kind: 'pass' } : { kind: 'hold', since, until, removed };
}

/** The annotation releases one document when it holds that document's digest, the one held now when it is `true`. */
export function removalAccepted(given: Readonly<Record<string, string>> | undefined, digest: string): boolean {
  const value = given?.[annotations.acceptRemoval];
  return value === 'true' || value === digest;
}
