import type { Request, Response } from 'express';
import { Refusal } from '../auth/refusal.js';
import { isKnownTo } from '../documents/served-document.js';
import type { ServedDocument } from '../documents/served-document.js';

/** Answers with the document's exact bytes, or 304 when the caller has them; 503 with Retry-After while the leader has not written it. */
export function sendDocument(request: Request, response: Response, document: ServedDocument | undefined): void {
  if (document === undefined) {
    throw new Refusal(503, 'not-ready', 'this document is not written yet; try again', { retryAfterSeconds: 1 });
  }
  response.setHeader('etag', document.etag);
  response.setHeader('cache-control', 'no-cache');
  noteDetail(response, `seq=${document.seq}`);
  if (isKnownTo(request.headers['if-none-match'], document.etag)) {
    response.status(304).end();
    return;
  }
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', document.body.length);
  response.end(request.method === 'HEAD' ? undefined : document.body);
}

/** What the audit row will say of this answer. */
export function noteDetail(response: Response, detail: string): void {
  (response.locals as { detail?: string }).detail = detail;
}
