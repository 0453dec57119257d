/** One step of a told story: what it shows, and whether it held. */
export interface StepResult {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
}

/** A step that all that follow need did not hold; it has been told. */
class NeededStepFailed extends Error {}

/** What a step returns to be shown beside its name; throwing means it did not hold. */
export type StepWork = (say: (line: string) => void) => Promise<string | void>;

/** Tells a story step by step: numbers, times, what was seen; goes on after a failed step so that all is known at the end. */
export class Story {
  readonly #results: StepResult[] = [];
  readonly #out: (line: string) => void;

  constructor(out: (line: string) => void) {
    this.#out = out;
  }

  /** `needed: true` stops the story when the step fails: nothing after it could hold. */
  async step(name: string, work: StepWork, needed = false): Promise<void> {
    const number = String(this.#results.length + 1).padStart(2);
    const started = performance.now();
    const beat = setInterval(() => this.#out(`     … ${seconds(performance.now() - started)}`), 5_000);
    try {
      const seen = await work((line) => this.#out(`     ${line}`));
      this.#finish({ name, ok: true, ms: Math.round(performance.now() - started) }, number, seen ?? undefined);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#finish({ name, ok: false, ms: Math.round(performance.now() - started) }, number, message);
      if (needed) throw new NeededStepFailed(`step ${number.trim()} is needed by all that follow`, { cause: error });
    } finally {
      clearInterval(beat);
    }
  }

  /** Runs steps and what stands between them. What throws outside of a step counts as a step that did not hold. */
  async tell(name: string, work: () => Promise<void>): Promise<void> {
    const started = performance.now();
    try {
      await work();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof NeededStepFailed) this.#out(`     stopped: ${message}`);
      else {
        const number = String(this.#results.length + 1).padStart(2);
        this.#finish({ name, ok: false, ms: Math.round(performance.now() - started) }, number, message);
      }
    }
  }

  get results(): readonly StepResult[] {
    return this.#results;
  }

  get ok(): boolean {
    return this.#results.length > 0 && this.#results.every((result) => result.ok);
  }

  #finish(result: StepResult, number: string, seen: string | undefined): void {
    this.#results.push(result);
    this.#out(`${result.ok ? ' ✔' : ' ✘'} ${number}  ${result.name}  (${seconds(result.ms)})`);
    if (seen !== undefined) for (const line of seen.split('\n')) this.#out(`        ${line}`);
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * For what an idle machine does within seconds: on two busy cores each step may take ten times as long. Where a time is promised it is measured
 * beside this.
 */
export const patienceMs = 120_000;

/** Tries until it neither throws nor answers undefined; the last reason is told when time is up. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  attempt: () => Promise<T | undefined>,
  pauseMs = 50,
): Promise<T> {
  const until = performance.now() + timeoutMs;
  let last = 'it never came';
  for (;;) {
    try {
      const value = await attempt();
      if (value !== undefined) return value;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() > until) throw new Error(`${what}: not within ${timeoutMs / 1000} s (${last})`);
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}
