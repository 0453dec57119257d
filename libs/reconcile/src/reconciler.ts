import type { Result } from './result.js';

/** The request of a reconcile is only this: everything else is read anew. */
export type Key = string;

/** Four phases, run in this order by `reconcileOnce`, which always ends with one status write. */
export interface Reconciler<Input, Verdict extends { readonly next: Result }, Status> {
  /** I/O in. An unreachable peer is a value in the input, not an error; `undefined` = the object is gone. */
  gather(key: Key, signal: AbortSignal): Promise<Input | undefined>;
  /** Pure: judgements, desired objects, what comes next. */
  decide(input: Input): Verdict;
  /** I/O out; idempotent. */
  apply(verdict: Verdict, signal: AbortSignal): Promise<void>;
  /** Pure. `verdict` is undefined only when `decide` itself threw; `failure` is what `decide` or `apply` threw. */
  status(input: Input, verdict: Verdict | undefined, failure?: Error): Status;
}

/** Port: writes the status of the object behind a key; called exactly once per reconcile whose object was read. */
export type StatusWriter<Input, Status> = (input: Input, status: Status, signal: AbortSignal) => Promise<void>;

/** How one run ended. */
export type Outcome =
  | { readonly kind: 'gone' }
  | { readonly kind: 'finished'; readonly next: Result }
  | { readonly kind: 'failed'; readonly phase: Phase; readonly error: Error };

export type Phase = 'gather' | 'decide' | 'apply' | 'status';
