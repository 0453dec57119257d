/** Lets others wait for a whole pass that began after they asked. */
export class PassCounter {
  #begun = 0;
  readonly #waiting = new Set<{ readonly from: number; readonly done: () => void }>();

  /** Marks the beginning of a pass; the answer goes to `end` when it ended well. */
  begin(): number {
    this.#begun += 1;
    return this.#begun;
  }

  end(pass: number): void {
    for (const waiter of this.#waiting) {
      if (pass < waiter.from) continue;
      this.#waiting.delete(waiter);
      waiter.done();
    }
  }

  /** Resolves when a pass that begins after this call has ended well; rejects when the signal fires first. */
  after(signal: AbortSignal): Promise<void> {
    return new Promise((done, fail) => {
      const waiter = { from: this.#begun + 1, done };
      this.#waiting.add(waiter);
      signal.addEventListener(
        'abort',
        () => {
          this.#waiting.delete(waiter);
          fail(new Error('no publication pass ended in time: see what it fails with'));
        },
        { once: true },
      );
    });
  }
}
