import { discard } from './connection.js';
import type { PeerConnection, RequestLimits } from './connection.js';
import { failureFrom, failureOfStatus } from './failure.js';
import { failed } from './outcome.js';
import type { FetchFailure } from './outcome.js';

/** One event of the peer's stream: `seq` as the event's id, the whole document as data. */
export interface StreamedDocument {
  readonly id: string;
  readonly data: string;
}

/** Incremental parser of server-sent events; `libs/protocol` has the one we use. Throws when an event exceeds its bound. */
export interface EventParser {
  push(chunk: string): readonly { readonly event: string; readonly id: string; readonly data: string }[];
}

export interface StreamRequest {
  readonly url: string;
  readonly token: string;
  readonly lastEventId?: string;
  readonly limits: RequestLimits;
  readonly parser: EventParser;
  /** Milliseconds without a byte (heartbeats come every 15 s) after which the stream counts as dead. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** The first byte came (our door writes one at once): headers alone may come from something that holds the rest back. */
  readonly onOpen: () => void;
  readonly onDocument: (document: StreamedDocument) => void;
}

/** How a stream ended: `ended` when it closed in good order. */
export type StreamEnd = { readonly kind: 'ended' } | FetchFailure;

/** Reads a peer's document stream until it ends; resolves with how it ended, never rejects. */
export async function streamDocuments(connection: PeerConnection, request: StreamRequest): Promise<StreamEnd> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), request.limits.deadlineMs);
  const signal = AbortSignal.any([request.signal, silence.signal]);
  try {
    const response = await connection.get(request.url, headersOf(request), signal);
    const refused = refusal(response.statusCode, response.headers['content-type'], request.url);
    if (refused !== undefined) {
      discard(response.body);
      return refused;
    }
    response.body.setEncoding('utf8');
    let open = false;
    for await (const chunk of response.body) {
      if (!open) request.onOpen();
      open = true;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), request.silenceMs);
      deliver(request, String(chunk));
    }
    return { kind: 'ended' };
  } catch (error) {
    if (request.signal.aborted) return { kind: 'ended' };
    if (silence.signal.aborted) return failed('Unreachable', `${request.url}: silent for too long.`);
    return isTooLarge(error)
      ? failed('InvalidDocument', `${request.url}: ${error.message}`)
      : failureFrom(error, request.url);
  } finally {
    clearTimeout(timer);
  }
}

function headersOf(request: StreamRequest): Record<string, string> {
  return {
    accept: 'text/event-stream',
    authorization: `Bearer ${request.token}`,
    ...(request.lastEventId === undefined ? {} : { 'last-event-id': request.lastEventId }),
  };
}

function refusal(status: number, type: string | string[] | undefined, url: string): FetchFailure | undefined {
  if (status !== 200) return failureOfStatus(status, url);
  if (String(type ?? '').startsWith('text/event-stream')) return undefined;
  return failed(
    'InvalidDocument',
    `${url}: the peer answered with ${String(type ?? 'no content type')}, not a stream.`,
  );
}

function deliver(request: StreamRequest, chunk: string): void {
  for (const event of request.parser.push(chunk)) {
    if (event.event === 'document') request.onDocument({ id: event.id, data: event.data });
  }
}

/** The parser's own complaint, by name: the class may come from another realm. */
function isTooLarge(error: unknown): error is RangeError {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'RangeError';
}
