import { constants } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { statusHeaders, statusObject } from './status-object.js';
import type { Failure } from './status-object.js';

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;

/**
 * How an answer ended. `done` = whole; `over` = a watch whose time is up, or a key of whose peer is gone; `untrusted` = the peer's trust went
 * away; `stuck` = the reader took nothing; `closed` = the reader left; `failed` = the API server broke off; `refused` = an error was answered.
 */
export type ReplyEnd = 'done' | 'over' | 'untrusted' | 'draining' | 'stuck' | 'closed' | 'failed' | 'refused';

/** Ends after which what was sent stands for itself; all others must not look like a whole answer. */
const inOrder: readonly ReplyEnd[] = ['done', 'over', 'draining'];

/** One answer on its way to a reader: never buffered beyond the reader's own window, cut when the reader takes nothing. */
export class Reply {
  readonly ended: Promise<ReplyEnd>;
  /** Called when a reader that was slow takes more. */
  onDrain: () => void = () => undefined;
  status = 0;
  bytes = 0;
  readonly #response: AnyResponse;
  readonly #stuckMs: number;
  #settle: (end: ReplyEnd) => void = () => undefined;
  #blocked: NodeJS.Timeout | undefined;
  #over = false;

  constructor(
    response: AnyResponse,
    readonly watch: boolean,
    stuckMs: number,
  ) {
    this.#response = response;
    this.#stuckMs = stuckMs;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    response.on('close', () => this.#finish('closed'));
    response.on('error', () => this.end('closed'));
    response.on('drain', () => this.#unblock());
  }

  get begun(): boolean {
    return this.status !== 0;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Sends the head by the end of this turn: a watch without events is seen to be open. */
  begin(status: number, headers: Readonly<Record<string, string | string[]>>): void {
    if (this.#over) return;
    this.status = status;
    sendHead(this.#response, status, headers);
  }

  /** Passes bytes on; false = wait for `onDrain` before more. */
  write(chunk: Uint8Array): boolean {
    if (this.#over) return false;
    this.bytes += chunk.length;
    if (write(this.#response, chunk)) return true;
    this.#blocked ??= setTimeout(() => this.end('stuck'), this.#stuckMs);
    return false;
  }

  /** Answers an error, or breaks off when an answer has begun. */
  fail(failure: Failure): void {
    if (this.begun) this.end('failed');
    else if (!this.#over) {
      this.status = failure.status;
      answer(this.#response, failure);
      this.#finish('refused');
    }
  }

  /** Ends it; whatever is not whole is cut, so that the reader cannot take it for whole. */
  end(reason: ReplyEnd): void {
    if (this.#over) return;
    if (!this.begun && reason !== 'closed' && reason !== 'untrusted') {
      this.fail({ status: 503, message: `the request could not be answered: ${reason}`, retryAfterSeconds: 1 });
      return;
    }
    this.#finish(reason);
    if (inOrder.includes(reason)) this.#response.end();
    else cut(this.#response);
  }

  #finish(reason: ReplyEnd): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#blocked);
    this.#settle(reason);
  }

  #unblock(): void {
    clearTimeout(this.#blocked);
    this.#blocked = undefined;
    if (!this.#over) this.onDrain();
  }
}

/** Answers with a `Status` object. */
export function answer(response: AnyResponse, failure: Failure): void {
  const body = statusObject(failure);
  // What a refused request still sends is not read: the connection ends with the answer.
  const last = 'stream' in response || failure.status === 401 || failure.status === 429 ? {} : { connection: 'close' };
  sendHead(response, failure.status, {
    ...statusHeaders(failure),
    ...last,
    'content-length': String(Buffer.byteLength(body)),
  });
  response.end(body);
}

/** HTTP/2 sends a head when it is written, HTTP/1 waits for the body unless told: what comes with the head in one go leaves with it in one record. */
function sendHead(response: AnyResponse, status: number, headers: Readonly<Record<string, string | string[]>>): void {
  if ('stream' in response) {
    response.writeHead(status, headers);
    return;
  }
  // The response's own cork puts the end of a chunked body before the body.
  const { socket } = response;
  socket?.cork();
  response.writeHead(status, headers).flushHeaders();
  process.nextTick(() => socket?.uncork());
}

function write(response: AnyResponse, chunk: Uint8Array): boolean {
  return 'stream' in response ? response.write(chunk) : response.write(chunk);
}

function cut(response: AnyResponse): void {
  if (!('stream' in response)) {
    response.destroy();
    return;
  }
  // Not CANCEL: Node's own client takes that for an end in good order.
  response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  response.stream.destroy();
}
