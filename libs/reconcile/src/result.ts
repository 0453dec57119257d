/** What a reconcile may answer. Throwing means "retry with backoff"; durations in milliseconds. */
export type Result =
  | { readonly kind: 'done'; readonly afterMs?: number }
  | { readonly kind: 'waiting'; readonly reason: string; readonly message: string; readonly afterMs: number }
  | { readonly kind: 'stalled'; readonly reason: string; readonly message: string };

/** Nothing more to do until something changes, or until `afterMs` have passed. */
export function done(afterMs?: number): Result {
  return afterMs === undefined ? { kind: 'done' } : { kind: 'done', afterMs };
}

/** Something outside must happen first; look again after `afterMs`. */
export function waiting(reason: string, message: string, afterMs: number): Result {
  return { kind: 'waiting', reason, message, afterMs };
}

/** Only a person can help; nothing is retried until the object changes. */
export function stalled(reason: string, message: string): Result {
  return { kind: 'stalled', reason, message };
}
