/** How many services of each peer do not stand yet as the latest pass wants them. */
export class PendingImports {
  #counts: ReadonlyMap<string, number> = new Map();
  /** Keys of peers of which everything stood after the last batch. */
  #whole: ReadonlySet<string> = new Set();

  /** Services of this peer that do not stand; 0 = all do. */
  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** A pass wants these written. Where the next batch brings all of them, a peer that was whole is not called unready for that moment. */
  wanted(pending: ReadonlyMap<string, number>, inOneBatch: boolean): void {
    this.#counts = new Map([...pending].filter(([key]) => !inOneBatch || !this.#whole.has(key)));
  }

  /** A batch was tried, and these are left; `peers` are the keys of all there are. */
  tried(pending: ReadonlyMap<string, number>, peers: Iterable<string>): void {
    this.#counts = pending;
    this.#whole = new Set([...peers].filter((key) => !pending.has(key)));
  }
}
