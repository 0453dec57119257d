import { setTimeout as pause } from 'node:timers/promises';

export interface WaitOptions {
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  /** Asked at every turn: a text ends the waiting at once with that failure. */
  readonly hopeless?: () => string | undefined;
  /** Called about every two seconds with the seconds waited so far. */
  readonly progress?: (text: string) => void;
}

/**
 * Asks until the answer is neither undefined nor an error.
 * @throws Error naming what was waited for and the last thing that went wrong
 */
export async function waitFor<T>(ask: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const started = Date.now();
  let last = 'nothing yet';
  let said = started;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = (error as Error).message;
    }
    const hopeless = options.hopeless?.();
    if (hopeless !== undefined) throw new Error(`${options.what}: ${hopeless}`);
    const now = Date.now();
    if (now - started > options.timeoutMs) {
      throw new Error(`${options.what}: not within ${options.timeoutMs / 1000} s (last: ${last})`);
    }
    if (now - said >= 2000) {
      said = now;
      options.progress?.(`${options.what} … ${Math.round((now - started) / 1000)} s (${last.split('\n')[0]})`);
    }
    await pause(options.everyMs ?? 50);
  }
}
