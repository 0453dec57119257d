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

export interface RemovalRelease {
  readonly accepted: boolean;
  /** Value of an annotation that has served, or has nothing to serve: to be taken off, so that it releases no later document. */
  readonly spent?: string;
}

/**
 * What the annotation releases: the document whose digest it holds, or, when it is `true`, the one that was already held when it was set.
 * `held` = digest of the document that status shows as held.
 */
export function removalRelease(
  given: Readonly<Record<string, string>> | undefined,
  digest: string,
  held: string | undefined,
): RemovalRelease {
  const value = given?.[annotations.acceptRemoval];
  if (value === undefined) return { accepted: false };
  const accepted = value === digest || (value === 'true' && held === digest);
  return accepted || value === 'true' ? { accepted, spent: value } : { accepted };
}
