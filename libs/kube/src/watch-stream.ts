import type { KubeClient, Query } from './client.js';
import { GoneError, kubeErrorFrom } from './errors.js';
import type { ApiObject } from './object.js';

/** One line of a watch (Kubernetes API concepts, "Efficient detection of changes"). */
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: ApiObject }
  | { readonly type: 'ERROR'; readonly object: StatusObject };

interface StatusObject {
  readonly code?: number;
}

/** An object is at most 3 MiB in a request (1.5 MiB in etcd); no honest API server sends a longer line. */
const longestLine = 16 * 1024 * 1024;

/** A line without end: another cluster's API server would fill our memory with it. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

/** Splits a byte stream into lines; a multi-byte character cut between two chunks stays whole. @throws LineTooLongError */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  readonly #longest: number;
  #parts: string[] = [];
  #length = 0;

  constructor(longest = longestLine) {
    this.#longest = longest;
  }

  push(chunk: Uint8Array): string[] {
    const [first = '', ...more] = this.#decoder.decode(chunk, { stream: true }).split('\n');
    this.#keep(first);
    if (more.length === 0) return [];
    const lines = [this.#parts.join(''), ...more.slice(0, -1)];
    this.#parts = [];
    this.#length = 0;
    this.#keep(more.at(-1) ?? '');
    return lines.filter((line) => line !== '');
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
      for (const line of splitter.push(chunk)) onEvent(checked(JSON.parse(line) as WatchEvent<T>, path));
    }
  } catch (error) {
    throw stalled.signal.aborted ? (stalled.signal.reason as Error) : error;
  } finally {
    clearTimeout(timer);
  }
}

function checked<T>(event: WatchEvent<T>, path: string): WatchEvent<T> {
  if (event.type !== 'ERROR') return event;
  const request = { method: 'GET', path };
  const code = event.object.code ?? 500;
  if (code === 410) throw new GoneError(410, 'Expired', 'resourceVersion is too old', request);
  throw kubeErrorFrom(code, JSON.stringify(event.object), request);
}
