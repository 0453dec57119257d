import { compareText } from '#model';
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
  /** By peer: kinds that the mesh may not read, each with the words for it. */
  readonly #forbidden = new Map<string, Map<string, string>>();
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

  /** What the mesh asked for of one kind was forbidden, for this reason; undefined = it was given. */
  noteRight(peer: string, kind: string, forbidden: string | undefined): void {
    const kinds = this.#forbidden.get(peer) ?? new Map<string, string>();
    if (forbidden === undefined) kinds.delete(kind);
    else this.#forbidden.set(peer, kinds.set(kind, forbidden));
  }

  /** Peers of which nothing was seen for so long. */
  idle(peers: readonly string[], forMs: number): readonly string[] {
    return peers.filter((peer) => this.#now() - (this.#known.get(peer)?.at ?? 0) >= forMs);
  }

  keepOnly(peers: ReadonlySet<string>): void {
    for (const known of [this.#known, this.#forbidden])
      for (const peer of known.keys()) if (!peers.has(peer)) known.delete(peer);
  }

  all(): Readonly<Record<string, Reach>> {
    const told = [...this.#known].map(([peer, reach]) => [peer, this.#told(peer, reach)] as const);
    return Object.fromEntries(told.sort(([a], [b]) => compareText(a, b)));
  }

  #told(peer: string, reach: Reach): Reach {
    const [message] = this.#forbidden.get(peer)?.values() ?? [];
    return reach.ok && message !== undefined ? { ...reach, ok: false, reason: 'Forbidden', message } : reach;
  }
}
