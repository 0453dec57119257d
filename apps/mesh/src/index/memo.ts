interface Kept<T> {
  readonly inputs: readonly unknown[];
  readonly value: T;
  readonly round: number;
}

/**
 * Results by key, kept while their inputs stay the very same objects, and when other inputs give an equal result. So what did
 * not change keeps its identity from one model to the next. What a round did not ask for is forgotten when the next begins.
 */
export class Memo<T> {
  readonly #kept = new Map<string, Kept<T>>();
  #round = 0;

  /** Starts a round and forgets what the last one did not ask for. */
  nextRound(): void {
    for (const [key, { round }] of this.#kept) if (round !== this.#round) this.#kept.delete(key);
    this.#round += 1;
  }

  get(key: string, inputs: readonly unknown[], build: () => T): T {
    const kept = this.#kept.get(key);
    const value =
      kept === undefined ? build() : sameItems(kept.inputs, inputs) ? kept.value : keptIfEqual(kept.value, build());
    this.#kept.set(key, { inputs, value, round: this.#round });
    return value;
  }
}

/** True when both lists hold the very same objects in the same order. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function keptIfEqual<T>(before: T, now: T): T {
  return JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
