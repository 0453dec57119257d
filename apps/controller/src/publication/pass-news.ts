import type { PeerPublication } from './decide.js';
import { UnwrittenImports } from './unwritten-imports.js';
import type { Unwritten } from './unwritten-imports.js';

/** What passes and batches of imports made of each peer, for its status; whom it is news to is looked at again. */
export class PassNews {
  /** What the API server did not take of the imports. */
  readonly unwritten = new UnwrittenImports();
  readonly #look: (key: string) => void;
  readonly #publications = new Map<string, PeerPublication>();
  #unwritten: ReadonlyMap<string, Unwritten> = new Map();
  #failure: Error | undefined;

  constructor(look: (key: string) => void) {
    this.#look = look;
  }

  /** Why the last pass did not end well: it concerns every peer. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  publicationOf(key: string): PeerPublication | undefined {
    return this.#publications.get(key);
  }

  unwrittenOf(key: string): Unwritten | undefined {
    return this.#unwritten.get(key);
  }

  /** A pass has judged all peers there are. */
  judged(perPeer: ReadonlyMap<string, PeerPublication>): void {
    for (const key of this.#publications.keys()) if (!perPeer.has(key)) this.#publications.delete(key);
    for (const [key, publication] of perPeer) {
      const before = this.#publications.get(key);
      this.#publications.set(key, publication);
      if (JSON.stringify(before) !== JSON.stringify(publication)) this.#look(key);
    }
  }

  /** A pass has ended, for these peers: asked for only when there is something to tell them. */
  ended(failure: Error | undefined, peers: () => readonly string[]): void {
    const changed = failure?.message !== this.#failure?.message;
    this.#failure = failure;
    if (changed) peers().forEach(this.#look);
  }

  /** A batch of imports was tried. */
  tried(): void {
    const before = this.#unwritten;
    this.#unwritten = this.unwritten.perPeer();
    for (const key of new Set([...before.keys(), ...this.#unwritten.keys()]))
      if (JSON.stringify(before.get(key)) !== JSON.stringify(this.#unwritten.get(key))) this.#look(key);
  }
}
