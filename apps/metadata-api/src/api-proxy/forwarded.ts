import { queryText } from './decide-query.js';
import type { Allowed } from './decide-request.js';
import type { HeaderField } from './request-head.js';

/** Headers of a caller that reach the API server; all else (credentials, identities, hops) stays outside. */
const passedIn = new Set(['accept', 'accept-encoding', 'if-none-match', 'user-agent']);
/** Headers of the API server that reach the caller. */
const passedOut = new Set([
  'audit-id',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'etag',
  'last-modified',
  'retry-after',
  'vary',
  'warning',
]);

/** Headers of the forwarded request: the caller's harmless ones, and the one identity that we vouch for. */
export function forwardedHeaders(
  headers: readonly HeaderField[],
  verb: Allowed['verb'],
  account: string,
): Record<string, string> {
  return { ...passedHeaders(headers, verb), 'impersonate-user': account };
}

/** The caller's harmless headers, by an allow list. */
export function passedHeaders(headers: readonly HeaderField[], verb: Allowed['verb']): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (!passedIn.has(name) && !(verb === 'create' && name === 'content-type')) continue;
    kept[name] = kept[name] === undefined ? value : `${kept[name]}, ${value}`;
  }
  return kept;
}

/** Headers of the answer. */
export function answeredHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = { 'x-content-type-options': 'nosniff' };
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && passedOut.has(name.toLowerCase())) kept[name.toLowerCase()] = value;
  }
  return kept;
}

/**
 * Seconds that a watch lives: what the caller wants, but no longer than a random moment in the last fifth of the longest life, so that
 * watches which began together do not end together. `random` is from 0 to 1.
 */
export function watchSeconds(asked: string | undefined, longestMs: number, random: number): number {
  const cap = Math.max(1, Math.floor((longestMs / 1000) * (0.8 + random * 0.2)));
  const wanted = asked === undefined ? 0 : Number(asked);
  return wanted > 0 ? Math.min(wanted, cap) : cap;
}

/** Target of the forwarded request; a watch carries its end, so that the API server ends it in good order. */
export function forwardedTarget({ path, query, verb }: Allowed, seconds: number): string {
  if (verb !== 'watch') return `${path}${queryText(query)}`;
  return `${path}${queryText(new Map([...query, ['timeoutSeconds', String(seconds)]]))}`;
}
