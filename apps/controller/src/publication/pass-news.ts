import { standingImports } from './peer-publication.js';
import type { PeerPublication } from './peer-publication.js';
import { PendingImports } from './pending-imports.js';
import { UnwrittenImports } from './unwritten-imports.js';
import type { Unwritten } from './unwritten-imports.js';

/** A peer's status is written again after so many of its services. */
const toldEvery = 1_000;

/** What passes and batches of imports made of each peer, for its status; whom it is news to is looked at again. */
export class PassNews {
  /** What the API server did not take of the imports. */
  readonly unwritten = new UnwrittenImports();
  readonly #look: (key: string) => void;
  readonly #publications = new Map<string, PeerPublication>();
  readonly #pending = new PendingImports();
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

  /** Services of a peer that do not stand yet as the latest pass wants them. */
  pendingOf(key: string): number {
    return this.#pending.of(key);
  }

  /** By peer key: services that stand as the latest pass wants them. */
  standing(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#publications].map(([key, publication]) => {
        const progress = { publication, unwritten: this.#unwritten.get(key), pending: this.#pending.of(key) };
        return [key, standingImports(progress)];
      }),
    );
  }

  /** The imports that a pass wants, before it tells what it judged: by peer key those that do not stand. */
  planned(pending: ReadonlyMap<string, number>, inOneBatch: boolean): void {
    this.#pending.wanted(pending, inOneBatch);
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

  /** A batch of imports was tried; by peer key what is left of them, where that is known. */
  tried(pending: ReadonlyMap<string, number> | undefined): void {
    const keys = [...this.#publications.keys()];
    const before = keys.map((key) => this.#tellable(key));
    this.#unwritten = this.unwritten.perPeer();
    if (pending !== undefined) this.#pending.tried(pending, keys.filter(this.#isImported));
    for (const [index, key] of keys.entries()) if (before[index] !== this.#tellable(key)) this.#look(key);
  }

  /** Of a peer that was not heard yet, or is not trusted, nothing stands that could go on meanwhile. */
  readonly #isImported = (key: string): boolean => {
    const { heard = false, trusted = false } = this.#publications.get(key) ?? {};
    return heard && trusted;
  };

  #tellable(key: string): string {
    return JSON.stringify([Math.ceil(this.#pending.of(key) / toldEvery), this.#unwritten.get(key)]);
  }
}
