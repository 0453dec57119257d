/** Why a request to a peer brought nothing; each is a reason of the resources' conditions (product section 2). */
export type FetchFailureReason =
  'Unreachable' | 'TLSVerifyFailed' | 'TokenRejected' | 'InvalidDocument' | 'RateLimited';

/** An expected failure towards a peer: a value, so that one bad peer never throws through the loop of another. */
export interface FetchFailure {
  readonly kind: 'failed';
  readonly reason: FetchFailureReason;
  readonly message: string;
  /** HTTP status where an answer came, else undefined. */
  readonly status?: number;
}

/** A document as it came: exact bytes as text, its validator, and the peer's clock (Unix ms) where it sent `Date`. */
export interface FetchedDocument {
  readonly kind: 'document';
  readonly body: string;
  readonly etag?: string;
  readonly peerTime?: number;
}

export type FetchOutcome = FetchedDocument | { readonly kind: 'unchanged' } | FetchFailure;

export function failed(reason: FetchFailureReason, message: string, status?: number): FetchFailure {
  return status === undefined ? { kind: 'failed', reason, message } : { kind: 'failed', reason, message, status };
}
