import type { PeerFailure } from './outcome.js';

/** What was last seen of one peer's API server. */
export interface Reach {
  readonly ok: boolean;
  readonly reason: string;
  readonly message: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** What real answers said of each peer's API server. */
export class Reaches {
  readonly #known = new Map<string, Reach>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  note(peer: string, failure: PeerFailure | undefined): void {
    const at = this.#now();
    this.#known.set(
      peer,
      failure === undefined
        ? { ok: true, reason: 'Succeeded', message: 'its API server answers', at }
        : { ok: false, reason: failure.reason, message: failure.message, at },
    );
  }

  /** Peers of which nothing was seen for so long. */
  idle(peers: readonly string[], forMs: number): readonly string[] {
    return peers.filter((peer) => this.#now() - (this.#known.get(peer)?.at ?? 0) >= forMs);
  }

  keepOnly(peers: ReadonlySet<string>): void {
    for (const peer of this.#known.keys()) if (!peers.has(peer)) this.#known.delete(peer);
  }

  all(): Readonly<Record<string, Reach>> {
    return Object.fromEntries([...this.#known].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
