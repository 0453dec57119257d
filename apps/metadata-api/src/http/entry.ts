import type { NextFunction, Request, Response } from 'express';
import type { TrustedPeer } from '#model';
import type { Auditor } from '../audit.js';
import { sourceKey } from '../auth/token-bucket.js';
import type { TokenBuckets } from '../auth/token-bucket.js';
import type { VerifiedPeer } from '../auth/peer-strategy.js';
import type { DoorMetrics } from '../metrics.js';
import { sendError } from './error-filter.js';
import { noteDetail } from './send-document.js';

export interface EntryParts {
  readonly sourceBuckets: TokenBuckets;
  readonly metrics: DoorMetrics;
  readonly auditor: Auditor;
  readonly draining: () => boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
}

const privatePath = '/metadata/private/';
export const descriptionPath = '/metadata/openapi.json';
const known = new Set([
  '/metadata/public/public.json',
  '/metadata/public/spiffe-bundle-endpoint',
  '/metadata/private/federation.json',
  '/metadata/private/multicluster.json',
  '/metadata/private/federation/stream',
  '/metadata/private/multicluster/stream',
]);

const methods = ['GET', 'HEAD'];

type Middleware = (request: Request, response: Response, next: NextFunction) => void;

/** First thing every request meets: the source's limit, before anything is parsed or verified; and the count when it is over. */
export function entry(parts: EntryParts): Middleware {
  const { sourceBuckets, metrics, draining, now } = parts;
  return (request, response, next) => {
    const started = performance.now();
    const route = known.has(request.path) ? request.path : 'other';
    if (draining()) response.setHeader('connection', 'close');
    const wait = sourceBuckets.take(sourceKey(request.ip), now());
    if (wait > 0) {
      metrics.requests.inc({ route, status: '429' });
      metrics.refusals.inc({ reason: 'source-limit' });
      response.setHeader('retry-after', wait);
      sendError(response, 429, ['source-limit', 'too many requests from this address; slow down']);
      return;
    }
    // The router behind this takes other spellings for the same route; what is counted and audited must be what is answered.
    if (isOtherSpelling(request.path)) {
      metrics.requests.inc({ route, status: '404' });
      sendError(response, 404, ['not-found', 'paths are lower case and end without a slash']);
      return;
    }
    response.once('close', () => {
      metrics.requests.inc({ route, status: String(response.statusCode) });
      if (!route.endsWith('/stream')) metrics.duration.observe({ route }, (performance.now() - started) / 1000);
    });
    if (request.path.startsWith(privatePath)) response.once('close', () => audit(parts.auditor, request, response));
    if (isServed(request.path) && !methods.includes(request.method)) refuseMethod(response);
    else next();
  };
}

function isServed(path: string): boolean {
  return known.has(path) || path === descriptionPath;
}

function refuseMethod(response: Response): void {
  response.setHeader('allow', methods.join(', '));
  noteDetail(response, 'method-not-allowed');
  sendError(response, 405, ['method-not-allowed', 'only GET and HEAD are served']);
}

function isOtherSpelling(path: string): boolean {
  return !isServed(path) && isServed(path.toLowerCase().replace(/\/+$/, ''));
}

function audit(auditor: Auditor, request: Request, response: Response): void {
  const { peer, detail } = response.locals as { peer?: TrustedPeer; detail?: string };
  auditor.note({
    peer: peer ?? (request.user as VerifiedPeer | undefined)?.peer,
    action: actionOf(request),
    status: response.statusCode,
    detail,
    sourceAddress: request.ip,
  });
}

/** Method and path without the query, which is the caller's to fill. */
export function actionOf(request: Request): string {
  return `${request.method} ${request.path}`;
}
