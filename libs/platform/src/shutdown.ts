import type { Logger } from './logger.js';

type Step = () => Promise<void> | void;

export interface ShutdownOptions {
  readonly logger: Logger;
  /** Milliseconds for all steps together; then the process ends anyway. Default 25 000 (a pod has 30 s). */
  readonly deadlineMs?: number;
  /** Replaced in specs. */
  readonly exit?: (code: number) => void;
}

/** Orderly end of a program: SIGTERM or SIGINT runs the registered steps, first registered first, then exits with 0. */
export class Shutdown {
  readonly #abort = new AbortController();
  readonly #steps: { readonly name: string; readonly step: Step }[] = [];
  readonly #options: Required<ShutdownOptions>;
  #ending: Promise<void> | undefined;

  constructor(options: ShutdownOptions) {
    this.#options = { deadlineMs: 25_000, exit: (code) => process.exit(code), ...options };
  }

  /** Aborted as soon as the end begins, before the first step. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  add(name: string, step: Step): void {
    this.#steps.push({ name, step });
  }

  /** A second signal ends the process at once. */
  install(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (this.#ending !== undefined) this.#options.exit(1);
        else void this.begin(signal);
      });
    }
  }

  /** Runs the steps once; a failing or slow step does not keep the others from running. */
  begin(reason: string, code = 0): Promise<void> {
    this.#ending ??= this.#run(reason, code);
    return this.#ending;
  }

  async #run(reason: string, code: number): Promise<void> {
    const { logger, deadlineMs, exit } = this.#options;
    logger.info({ reason }, 'shutting down');
    const timer = setTimeout(() => {
      logger.warn({ deadlineMs }, 'shutdown took too long');
      exit(1);
    }, deadlineMs);
    this.#abort.abort(new Error(reason));
    for (const { name, step } of this.#steps) {
      try {
        await step();
      } catch (error) {
        logger.warn({ err: error, step: name }, 'a shutdown step failed');
      }
    }
    clearTimeout(timer);
    exit(code);
  }
}
