import { createHash } from 'node:crypto';

/** Bytes that are served as they are, with their strong entity tag (RFC 9110, section 8.8.3). */
export interface ServedDocument {
  readonly body: Buffer;
  readonly etag: string;
  /** Sequence number the leader gave it, as text; empty where it has none. */
  readonly seq: string;
}

export function servedDocument(body: Buffer, seq: string): ServedDocument {
  return { body, seq, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` };
}

/** Whether If-None-Match names this entity (weak comparison, as RFC 9110, section 13.1.2 asks for). */
export function isKnownTo(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
