import type { Dispatcher } from 'undici';
import { discard } from './connection.js';
import type { PeerConnection, RequestLimits } from './connection.js';
import { failureFrom, failureOfStatus } from './failure.js';
import { failed } from './outcome.js';
import type { FetchFailure, FetchOutcome } from './outcome.js';

export interface DocumentRequest {
  readonly url: string;
  readonly token?: string;
  readonly etag?: string;
  readonly limits: RequestLimits;
  readonly signal: AbortSignal;
}

/**
 * Fetches one document of a peer: bounded in bytes and time, JSON only, no redirects, ETag honoured.
 * Every expected trouble is a value; nothing of the token appears in a message.
 */
export async function fetchDocument(connection: PeerConnection, request: DocumentRequest): Promise<FetchOutcome> {
  const deadline = AbortSignal.timeout(request.limits.deadlineMs);
  const signal = AbortSignal.any([request.signal, deadline]);
  try {
    const response = await connection.get(request.url, headersOf(request), signal);
    if (response.statusCode === 304) {
      await response.body.dump();
      return { kind: 'unchanged' };
    }
    if (response.statusCode !== 200) {
      discard(response.body);
      return failureOfStatus(response.statusCode, request.url);
    }
    const wrongType = wrongContentType(response.headers['content-type'], request.url);
    if (wrongType !== undefined) {
      discard(response.body);
      return wrongType;
    }
    const body = await readBounded(response, request.limits.maximumBytes);
    if (body === undefined) return tooLarge(request);
    return { kind: 'document', body, ...validators(response.headers) };
  } catch (error) {
    if (deadline.aborted) {
      return failed(
        'Unreachable',
        `${request.url}: no whole answer within ${request.limits.deadlineMs / 1000} s. Check the peer's metadata API, and what stands between it and this cluster.`,
      );
    }
    return failureFrom(error, request.url);
  }
}

function headersOf(request: DocumentRequest): Record<string, string> {
  return {
    ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
    ...(request.etag === undefined ? {} : { 'if-none-match': request.etag }),
  };
}

function wrongContentType(value: string | string[] | undefined, url: string): FetchFailure | undefined {
  const type = (Array.isArray(value) ? value[0] : value) ?? '';
  // A legacy peer may leave the type out or call JSON plain text; a page is never a document.
  if (type === '' || /^(application\/(json|octet-stream)|text\/plain)\b/i.test(type)) return undefined;
  return failed(
    'InvalidDocument',
    `${url}: the answer is ${type.slice(0, 80)}, not application/json. Is this the peer's metadata endpoint?`,
  );
}

async function readBounded(response: Dispatcher.ResponseData, maximumBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maximumBytes) {
      discard(response.body);
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(request: DocumentRequest): FetchFailure {
  return failed(
    'InvalidDocument',
    `${request.url}: the document is larger than ${request.limits.maximumBytes} bytes; it was not read further. The peer must export less.`,
  );
}

function validators(headers: Record<string, string | string[] | undefined>): { etag?: string; peerTime?: number } {
  const etag = headers['etag'];
  const date = typeof headers['date'] === 'string' ? Date.parse(headers['date']) : Number.NaN;
  return {
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(Number.isNaN(date) ? {} : { peerTime: date }),
  };
}
