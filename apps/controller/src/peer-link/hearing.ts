import type { FetchFailure } from '#peer-client';

/** A document as last heard: exact text, when it came (Unix ms), and how far the peer's clock was from ours then (ms, positive = ahead). */
export interface HeardDocument {
  readonly body: string;
  readonly at: number;
  readonly clockOffsetMs?: number;
}

/** `peerTime` as the answer gave it; all Unix milliseconds. */
export function heardDocument(body: string, at: number, peerTime?: number): HeardDocument {
  return peerTime === undefined ? { body, at } : { body, at, clockOffsetMs: peerTime - at };
}

/** What a link last heard of its peer: one immutable value, read by `gather`. A failure stands beside the last good document. */
export interface Hearing {
  readonly publicDocument?: HeardDocument;
  readonly publicFailure?: FetchFailure;
  readonly privateDocument?: HeardDocument;
  readonly privateFailure?: FetchFailure;
  /** When the newest document of each sort was last fetched or confirmed (Unix ms): a 304 or a stream that opens without news says so too. */
  readonly publicAt?: number;
  readonly privateAt?: number;
  /** Last time the peer answered anything in good order (Unix ms), a heartbeat or 304 included. */
  readonly lastContact?: number;
  /** The first time it did so on this link (Unix ms). */
  readonly answersSince?: number;
  /** When the last attempt to hear of the peer ended, well or not (Unix ms). */
  readonly lastAttempt?: number;
  /** First attempt in vain since the peer last answered anything (Unix ms); absent while it answers. */
  readonly silentSince?: number;
  /** How private documents arrive now. */
  readonly mode: 'none' | 'stream' | 'poll';
}

export const nothingHeard: Hearing = { mode: 'none' };

export function heardPublic(hearing: Hearing, document: HeardDocument): Hearing {
  return { ...heardNothingNew(hearing, 'public', document.at), publicDocument: document };
}

export function heardPrivate(hearing: Hearing, document: HeardDocument): Hearing {
  return { ...heardNothingNew(hearing, 'private', document.at), privateDocument: document };
}

/** The peer answered that nothing changed: the failure, if any, is over. */
export function heardNothingNew(hearing: Hearing, which: 'public' | 'private', at: number): Hearing {
  const { publicFailure, privateFailure, silentSince: _over, ...rest } = hearing;
  return {
    ...rest,
    lastContact: at,
    answersSince: hearing.answersSince ?? at,
    lastAttempt: at,
    [which === 'public' ? 'publicAt' : 'privateAt']: at,
    ...(which === 'private' && publicFailure !== undefined ? { publicFailure } : {}),
    ...(which === 'public' && privateFailure !== undefined ? { privateFailure } : {}),
  };
}

/** An attempt failed. Whether the peer is silent shows at its public document, which is asked for all the time and needs no token. */
export function heardFailure(
  hearing: Hearing,
  which: 'public' | 'private',
  failure: FetchFailure,
  at: number,
): Hearing {
  if (which === 'private') return { ...hearing, privateFailure: failure, lastAttempt: at };
  return { ...hearing, publicFailure: failure, lastAttempt: at, silentSince: hearing.silentSince ?? at };
}

/** Nothing of private documents counts any more. */
export function withoutPrivate(hearing: Hearing): Hearing {
  const { privateDocument: _document, privateFailure: _failure, privateAt: _at, ...rest } = hearing;
  return { ...rest, mode: 'none' };
}
