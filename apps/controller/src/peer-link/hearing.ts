import type { FetchFailure } from '#peer-client';

/** A document as last heard: exact text, when it came (Unix ms), and how far the peer's clock was from ours then (ms, positive = ahead). */
export interface HeardDocument {
  readonly body: string;
  readonly at: number;
  readonly clockOffsetMs?: number;
}

/** What a link last heard of its peer: one immutable value, read by `gather`. A failure stands beside the last good document. */
export interface Hearing {
  readonly publicDocument?: HeardDocument;
  readonly publicFailure?: FetchFailure;
  readonly privateDocument?: HeardDocument;
  readonly privateFailure?: FetchFailure;
  /** Last time the peer answered anything in good order (Unix ms), a heartbeat or 304 included. */
  readonly lastContact?: number;
  /** How private documents arrive now. */
  readonly mode: 'none' | 'stream' | 'poll';
}

export const nothingHeard: Hearing = { mode: 'none' };

export function heardPublic(hearing: Hearing, document: HeardDocument): Hearing {
  const { publicFailure: _gone, ...rest } = hearing;
  return { ...rest, publicDocument: document, lastContact: document.at };
}

export function heardPrivate(hearing: Hearing, document: HeardDocument): Hearing {
  const { privateFailure: _gone, ...rest } = hearing;
  return { ...rest, privateDocument: document, lastContact: document.at };
}

/** The peer answered that nothing changed: the failure, if any, is over. */
export function heardNothingNew(hearing: Hearing, which: 'public' | 'private', at: number): Hearing {
  const { publicFailure, privateFailure, ...rest } = hearing;
  return {
    ...rest,
    lastContact: at,
    ...(which === 'private' && publicFailure !== undefined ? { publicFailure } : {}),
    ...(which === 'public' && privateFailure !== undefined ? { privateFailure } : {}),
  };
}
