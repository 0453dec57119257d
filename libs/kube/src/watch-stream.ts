import type { KubeClient, Query } from './client.js';
import { GoneError, kubeErrorFrom, MalformedAnswerError, objectFrom } from './errors.js';
import type { FailedRequest, KubeApiError } from './errors.js';
import type { ApiObject } from './object.js';

/** One line of a watch (Kubernetes API concepts, "Efficient detection of changes"); an ERROR is thrown. */
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: ApiObject };

/** An object is at most 3 MiB in a request (1.5 MiB in etcd); no honest API server sends a longer line. */
const longestLine = 16 * 1024 * 1024;

/** A line without end: another cluster's API server would fill our memory with it. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

/** Splits a byte stream into lines; a multi-byte character cut between two chunks stays whole. @throws LineTooLongError */
export class LineSplitter {
  // Node's decoder takes a U+FEFF away wherever a chunk begins with it.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #longest: number;
  #parts: string[] = [];
  #length = 0;

  constructor(longest = longestLine) {
    this.#longest = longest;
  }

  push(chunk: Uint8Array): string[] {
    const [first = '', ...more] = this.#decoder.decode(chunk, { stream: true }).split('\n');
    this.#keep(first);
    return more.flatMap((next) => {
      const line = this.#parts.join('');
      this.#parts = [];
      this.#length = 0;
      this.#keep(next);
      return line === '' ? [] : [line];
    });
  }

  /** A long line is put together once, when it is whole. */
  #keep(part: string): void {
    this.#parts.push(part);
    this.#length += part.length;
    if (this.#length > this.#longest)
      throw new LineTooLongError(`watch: a line of more than ${this.#longest} characters; the watch is begun anew`);
  }
}

/** The stream ended without being asked to: nothing was heard for `stallMs`, not even a bookmark. */
export class WatchStalledError extends Error {
  override readonly name = 'WatchStalledError';
}

export interface WatchRequest {
  readonly client: KubeClient;
  readonly path: string;
  readonly query: Query;
  readonly signal: AbortSignal;
  readonly stallMs: number;
  /** The server has taken the watch; nothing has been heard on it yet. */
  readonly onOpen?: () => void;
}

/**
 * Opens a watch and hands each event to `onEvent` in order. Resolves when the server ends it in good order; rejects with
 * `GoneError` (list anew), another `KubeApiError`, `KubeUnreachableError`, `WatchStalledError` or the connection's error.
 */
export async function watch<T extends ApiObject>(
  request: WatchRequest,
  onEvent: (event: WatchEvent<T>) => void,
): Promise<void> {
  const { client, path, query, signal, stallMs } = request;
  const stalled = new AbortController();
  const timer = setTimeout(() => {
    stalled.abort(new WatchStalledError(`GET ${path}: watch silent for ${stallMs} ms`));
  }, stallMs);
  try {
    const stream = await client.stream({
      method: 'GET',
      path,
      query: { ...query, watch: true, allowWatchBookmarks: true },
      signal: AbortSignal.any([signal, stalled.signal]),
    });
    request.onOpen?.();
    const splitter = new LineSplitter();
    for await (const chunk of stream.body as AsyncIterable<Uint8Array>) {
      timer.refresh();
      for (const line of splitter.push(chunk)) onEvent(watchEventFrom<T>(line, path));
    }
  } catch (error) {
    throw stalled.signal.aborted ? (stalled.signal.reason as Error) : error;
  } finally {
    clearTimeout(timer);
  }
}

const eventTypes = new Set<unknown>(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

/**
 * The event that a line of a watch is.
 * @throws GoneError, another KubeApiError for an event ERROR, MalformedAnswerError for what is no event
 */
export function watchEventFrom<T extends ApiObject>(line: string, path: string): WatchEvent<T> {
  const request = { method: 'GET', path };
  const event = objectFrom<{ type?: unknown; object?: unknown }>(line, request);
  const { type, object } = event;
  if (typeof object !== 'object' || object === null) throw new MalformedAnswerError(request, 'a watch event');
  if (type === 'ERROR') throw errorOf(object, request);
  const { metadata } = object as { metadata?: unknown };
  if (!eventTypes.has(type) || typeof metadata !== 'object' || metadata === null)
    throw new MalformedAnswerError(request, 'a watch event');
  return event as WatchEvent<T>;
}

function errorOf(object: { readonly code?: unknown }, request: FailedRequest): KubeApiError {
  const code = typeof object.code === 'number' ? object.code : 500;
  if (code === 410) return new GoneError(410, 'Expired', 'resourceVersion is too old', request);
  return kubeErrorFrom(code, JSON.stringify(object), request);
}
