import type { LoggerService } from '@nestjs/common';
import { pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** Program name, bound as `app`. */
  readonly app: string;
  readonly level?: string;
  /** Bound to every line, for instance `{ cluster }`. */
  readonly bindings?: Readonly<Record<string, string>>;
  readonly destination?: DestinationStream;
}

/** Fields that are never written, wherever they stand one or two levels deep. */
const hidden = ['authorization', 'cookie', 'password', 'token', 'privateKey', 'databaseUrl'];
const redact = { paths: hidden.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' };

/** The one logger of a program: JSON lines on standard output. */
export function createLogger(options: LoggerOptions): Logger {
  const { app, level = 'info', bindings = {}, destination } = options;
  const settings = {
    level,
    base: { app, ...bindings },
    redact,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}

/** Lets Nest write through our logger; its chatter about routes and modules is debug. */
export class NestLogger implements LoggerService {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  log(message: unknown, ...context: unknown[]): void {
    this.#logger.debug({ context: context.at(-1) }, String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.#logger.error({ context: rest.at(-1), stack: rest.length > 1 ? rest[0] : undefined }, String(message));
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.#logger.warn({ context: context.at(-1) }, String(message));
  }

  debug(message: unknown, ...context: unknown[]): void {
    this.#logger.debug({ context: context.at(-1) }, String(message));
  }

  verbose(message: unknown, ...context: unknown[]): void {
    this.#logger.trace({ context: context.at(-1) }, String(message));
  }
}
