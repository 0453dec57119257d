interface Account {
  /** Bytes that may pass at once; below zero they were borrowed. */
  left: number;
  at: number;
}

/** Bytes a second for each peer: over it nothing is lost, reading from the API server pauses. Times in milliseconds. */
export class ByteAllowance {
  readonly #perSecond: number;
  readonly #accounts = new Map<string, Account>();

  /** Two seconds' worth may pass at once. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Notes bytes that pass. Answers 0, or how long to wait before more. */
  take(peer: string, bytes: number, now: number): number {
    const burst = this.#perSecond * 2;
    const account = this.#accounts.get(peer) ?? { left: burst, at: now };
    const earned = (Math.max(0, now - account.at) / 1000) * this.#perSecond;
    account.left = Math.min(burst, account.left + earned) - bytes;
    account.at = now;
    this.#accounts.set(peer, account);
    return account.left >= 0 ? 0 : Math.ceil((-account.left / this.#perSecond) * 1000);
  }

  /** Forgets peers that are no longer there. */
  keepOnly(peers: ReadonlySet<string>): void {
    for (const peer of this.#accounts.keys()) if (!peers.has(peer)) this.#accounts.delete(peer);
  }
}
