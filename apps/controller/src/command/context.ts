import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '#kube';

/** What a command works with. */
export interface CommandContext {
  readonly client: KubeClient;
  /** Release namespace. */
  readonly namespace: string;
  readonly json: boolean;
  /** Tells what happens, to a person. */
  readonly say: (line: string) => void;
  readonly print: (line: string) => void;
}

const everyMs = 250;

/** Looks again and again until there is an answer. @throws Error with what was seen last, when time is up */
export async function until<T>(
  deadline: number | (() => number),
  what: string,
  look: () => Promise<T | undefined>,
  last: () => string,
): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > (typeof deadline === 'number' ? deadline : deadline()))
      throw new Error(`${what}: not yet; ${last()}. It goes on by itself`);
    await sleep(everyMs);
  }
}
