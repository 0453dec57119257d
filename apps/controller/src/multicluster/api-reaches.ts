import { setTimeout as pause } from 'node:timers/promises';
import { apiReachesFrom } from './reports.js';
import type { ApiReach } from './reports.js';

const askEveryMs = 5_000;
const answerMs = 3_000;
/** Unanswered questions in a row that are told: one alone may be a busy moment, and would turn every peer's condition. */
const missesToTell = 2;

/** Asks the way out again and again what it last saw of each peer's API server. */
export class ApiReaches {
  readonly #url: string;
  readonly #onChange: (name: string) => void;
  readonly #everyMs: number;
  #reaches: ReadonlyMap<string, ApiReach> = new Map();
  #silent: string | undefined;
  #misses = 0;

  constructor(healthUrl: string, onChange: (name: string) => void, everyMs = askEveryMs) {
    this.#url = `${healthUrl.replace(/\/+$/, '')}/healthz/peers`;
    this.#onChange = onChange;
    this.#everyMs = everyMs;
  }

  /** What is known of one peer; while the way out itself does not answer, that. */
  get(name: string): ApiReach | undefined {
    const known = this.#reaches.get(name);
    if (this.#silent === undefined || known === undefined) return known;
    return {
      ok: false,
      reason: 'Unreachable',
      message: `this cluster’s way out does not answer: ${this.#silent}`,
      at: known.at,
    };
  }

  start(signal: AbortSignal): void {
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#ask(signal);
      await pause(this.#everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const before = new Map([...this.#reaches.keys()].map((name) => [name, JSON.stringify(told(this.get(name)))]));
    try {
      const answer = await fetch(this.#url, { signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      this.#reaches = apiReachesFrom(await answer.json());
      this.#silent = undefined;
      this.#misses = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.#misses += 1;
      if (this.#misses < missesToTell) return;
      this.#silent = error instanceof Error ? error.message : String(error);
    }
    for (const name of new Set([...before.keys(), ...this.#reaches.keys()]))
      if (before.get(name) !== JSON.stringify(told(this.get(name)))) this.#onChange(name);
  }
}

/** Times of contact alone are no news. */
function told(reach: ApiReach | undefined): Omit<ApiReach, 'at'> | undefined {
  if (reach === undefined) return undefined;
  const { ok, reason, message } = reach;
  return { ok, reason, message };
}
