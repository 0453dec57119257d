import type { Dispatcher } from 'undici';
import type { PassthroughRequest } from '#kube';
import type { Logger } from '#platform';
import { answeredHeaders } from './forwarded.js';
import type { Reply } from './reply.js';
import type { Failure } from './status-object.js';

/** An API server that has begun a list and says nothing for so long has died. */
const silentMs = 60_000;

type Headers = Parameters<typeof answeredHeaders>[0];

/** Where requests go; `refresh` is called when the credential was refused, before the one further attempt. */
export interface Upstream {
  send(request: PassthroughRequest, handler: Dispatcher.DispatchHandler): Promise<void>;
  refresh(): void;
}

/** What is known of the other side beyond HTTP. */
export interface ForwardWords {
  /** Says the failure behind an error or a status that must not be passed on; undefined = nothing wrong. */
  readonly failureOf: (what: { readonly status: number; readonly headers: Headers } | Error) => Failure | undefined;
  /** Told once per exchange: why no answer was begun, or that one was, with its status. */
  readonly onOutcome?: (failure: Failure | undefined, status?: number) => void;
}

export interface ForwardOptions {
  readonly passthrough: Upstream;
  readonly words?: ForwardWords;
  readonly request: PassthroughRequest;
  readonly reply: Reply;
  /** Nothing is answered before it resolves; whoever makes it reject ends the reply. */
  readonly mayAnswer?: Promise<void>;
  /** Told of bytes that pass; answers how many milliseconds to pause. */
  readonly onBytes: (bytes: number) => number;
  readonly logger: Logger;
}

type Controller = Dispatcher.DispatchController;

/** One exchange with the API server, passed on as it comes and no faster than the reader takes it. Ends with its reply. */
export class Forwarding {
  readonly #options: ForwardOptions;
  #attempt = 0;
  /** What came before anything may be answered; undefined once it may. */
  #early: (() => void)[] | undefined;
  #controller: Controller | undefined;
  #pausedFor = 0;
  #rest: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(options: ForwardOptions) {
    this.#options = options;
    const { reply } = options;
    if (options.mayAnswer !== undefined) this.#waitFor(options.mayAnswer);
    reply.onDrain = () => this.#resume();
    void reply.ended.then(() => {
      clearTimeout(this.#rest);
      clearTimeout(this.#silence);
      this.#controller?.abort(new Error('the reply ended'));
    });
  }

  start(): void {
    const attempt = ++this.#attempt;
    const { passthrough, request } = this.#options;
    this.#pausedFor = 0;
    this.#early &&= [];
    passthrough.send(request, this.#handler(attempt)).catch((error: unknown) => this.#fail(error as Error));
  }

  /** An exchange that was given up for another attempt goes on talking for a moment: it is not listened to. */
  #handler(attempt: number): Dispatcher.DispatchHandler {
    const current = (): boolean => attempt === this.#attempt && !this.#options.reply.over;
    const heard = (controller: Controller, event: () => void): void => {
      if (!current()) return;
      if (this.#early === undefined) event();
      // A connection that dies delivers what it still has, paused or not.
      else if (this.#early.push(() => current() && event()) === 1) this.#hold(controller);
    };
    return {
      onRequestStart: (controller) => {
        if (current()) this.#controller = controller;
        else controller.abort(new Error('the reply ended'));
      },
      onResponseStart: (controller, status, headers) => {
        if (status >= 200) heard(controller, () => this.#begin(controller, status, headers));
      },
      onResponseData: (controller, chunk) => heard(controller, () => this.#pass(controller, chunk)),
      onResponseEnd: (controller) => heard(controller, () => this.#options.reply.end('done')),
      onResponseError: (_controller, error) => {
        if (current()) this.#fail(error);
      },
    };
  }

  #waitFor(mayAnswer: Promise<void>): void {
    this.#early = [];
    mayAnswer.then(
      () => {
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const event of early) event();
        if (early.length > 0) this.#resume();
      },
      () => undefined,
    );
  }

  #begin(controller: Controller, status: number, headers: Headers): void {
    const { reply, passthrough, words = ownApiServer } = this.#options;
    if (status === 401) {
      // Our own credential, not the caller's: it may have been replaced a moment ago.
      if (this.#attempt === 1) {
        passthrough.refresh();
        this.#again(controller);
      } else this.#refuse(controller, words.failureOf({ status, headers }) ?? noAnswer);
      return;
    }
    const failure = words.failureOf({ status, headers });
    if (failure !== undefined) {
      this.#refuse(controller, failure);
      return;
    }
    words.onOutcome?.(undefined, status);
    reply.begin(status, answeredHeaders(headers));
    this.#listen();
  }

  #again(controller: Controller): void {
    this.start();
    controller.abort(new Error('tried again'));
  }

  #refuse(controller: Controller, failure: Failure): void {
    this.#options.words?.onOutcome?.(failure);
    this.#options.logger.warn({ status: failure.status }, `api proxy: ${failure.message}`);
    this.#options.reply.fail(failure);
    controller.abort(new Error(failure.message));
  }

  #pass(controller: Controller, chunk: Uint8Array): void {
    const { reply, onBytes } = this.#options;
    const wait = onBytes(chunk.length);
    if (wait > 0) {
      this.#hold(controller);
      this.#rest = setTimeout(() => this.#resume(), wait);
    }
    if (!reply.write(chunk)) this.#hold(controller);
    if (this.#pausedFor === 0) this.#listen();
  }

  #hold(controller: Controller): void {
    this.#pausedFor += 1;
    clearTimeout(this.#silence);
    controller.pause();
  }

  #resume(): void {
    this.#pausedFor = Math.max(0, this.#pausedFor - 1);
    if (this.#pausedFor > 0) return;
    this.#controller?.resume();
    this.#listen();
  }

  /** A watch may be silent; a list may not. */
  #listen(): void {
    const { reply } = this.#options;
    if (reply.watch || reply.over) return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => reply.end('failed'), silentMs);
  }

  /** A kept-alive connection may die under a request: what can be repeated safely is tried once more. */
  #fail(error: Error): void {
    const { reply, request, logger } = this.#options;
    if (!reply.begun && this.#attempt === 1 && request.method === 'GET' && !isTimeout(error)) {
      this.start();
      return;
    }
    const { words = ownApiServer } = this.#options;
    const failure = words.failureOf(error) ?? noAnswer;
    if (!reply.begun) words.onOutcome?.(failure);
    logger.warn({ err: error }, `api proxy: ${failure.message}`);
    reply.fail(failure);
  }
}

const noAnswer: Failure = { status: 503, message: 'the API server cannot be reached', retryAfterSeconds: 1 };

const ownApiServer: ForwardWords = {
  failureOf: (what) => {
    if (what instanceof Error)
      return isTimeout(what) ? { status: 504, message: 'the API server did not answer in time' } : noAnswer;
    if (what.status === 401)
      return { status: 503, message: 'the API server does not know the door', retryAfterSeconds: 1 };
    return isRedirect(what.status) ? { status: 502, message: 'the API server answered with a redirect' } : undefined;
  },
};

/** A redirect is followed by nobody here and passed on to nobody: it would lead the reader past the door. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

export function isTimeout(error: Error): boolean {
  return error.name === 'HeadersTimeoutError' || error.name === 'BodyTimeoutError';
}
