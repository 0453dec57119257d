import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { Response } from 'express';
import type { TrustedPeer } from '#model';
import type { Logger } from '#platform';
import { Refusal } from '../auth/refusal.js';
import type { DoorMetrics } from '../metrics.js';
import { noteDetail } from './send-document.js';

const words: Readonly<Record<number, readonly [string, string]>> = {
  400: ['malformed', 'the request is malformed'],
  404: ['not-found', 'no such path; the paths are in /metadata/openapi.json'],
};

/** Turns whatever was thrown into `{error, message}`; only a fault of ours becomes 500, and its text stays in the log. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #logger: Logger;
  readonly #metrics: DoorMetrics;

  constructor(logger: Logger, metrics: DoorMetrics) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    if (response.headersSent) {
      response.end();
      return;
    }
    if (error instanceof Refusal) this.#refuse(error, response);
    else this.#fail(error, response);
  }

  #refuse(refusal: Refusal, response: Response): void {
    const { reason, more } = refusal;
    this.#metrics.refusals.inc({ reason });
    (response.locals as { peer?: TrustedPeer | undefined }).peer = more.peer;
    noteDetail(response, reason);
    if (more.retryAfterSeconds !== undefined) response.setHeader('retry-after', more.retryAfterSeconds);
    if (refusal.getStatus() === 401) response.setHeader('www-authenticate', 'Bearer');
    sendError(response, refusal.getStatus(), [reason, refusal.message]);
  }

  #fail(error: unknown, response: Response): void {
    const status = statusOf(error);
    if (status >= 500) this.#logger.error({ err: error }, 'a request failed');
    sendError(
      response,
      status,
      words[status] ?? (status < 500 ? ['refused', 'refused'] : ['internal', 'internal error']),
    );
  }
}

/** Answers an error in the one form of docs/protocol.md. */
export function sendError(response: Response, status: number, [error, message]: readonly [string, string]): void {
  response.status(status).setHeader('content-type', 'application/json; charset=utf-8');
  response.end(JSON.stringify({ error, message }));
}

/** Express marks what a bad request caused (an undecodable path, for instance) with a 4xx status. */
function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown };
  const marked = Number(status ?? statusCode);
  if (error instanceof URIError) return 400;
  return marked >= 400 && marked < 500 ? marked : 500;
}
