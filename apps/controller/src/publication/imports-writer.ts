import type { KubeClient } from '#kube';
import type { World } from '../world.js';
import { importsDifference, pendingImports, pruneImports, writeImports } from './imports.js';
import type { ImportsDifference, ImportsWish } from './imports.js';
import type { PassCounter } from './pass-counter.js';
import type { PassNews } from './pass-news.js';

export interface ImportsWriterPorts {
  readonly client: KubeClient;
  readonly world: World;
  readonly news: PassNews;
  readonly passes: PassCounter;
}

/** What the last pass wants to be imported, carried out a step at a time, so that every peer's changes come in between. */
export class ImportsWriter {
  readonly #ports: ImportsWriterPorts;
  #wish: (ImportsWish & { readonly pass: number }) | undefined;
  /** As long as nothing changes that it was made of: a pass asks for it, and the step after it. */
  #known: { readonly of: readonly unknown[]; readonly difference: ImportsDifference } | undefined;

  constructor(ports: ImportsWriterPorts) {
    this.#ports = ports;
  }

  /** `pass`: its number, 0 for one that could not do everything: who waits for a whole pass does not take it for one. */
  want(wish: ImportsWish & { readonly pass: number }): void {
    this.#wish = wish;
    const { pending, inOneBatch } = pendingImports(this.#difference(wish));
    this.#ports.news.planned(pending, inOneBatch);
  }

  /** Removes what is no longer wanted, writes a batch; returns whether more is left. Throws what failed when all of it was tried. */
  async step(signal: AbortSignal): Promise<boolean> {
    const wish = this.#wish;
    if (wish === undefined) return false;
    const { client, world, news, passes } = this.#ports;
    const ports = { client, world, unwritten: news.unwritten };
    let pending: ReadonlyMap<string, number> | undefined;
    try {
      const unpruned = await pruneImports(ports, this.#difference(wish), signal);
      if (unpruned === undefined) passes.end(wish.pass);
      const outcome = await writeImports(ports, wish, this.#difference(wish), signal);
      pending = outcome.pending;
      const failure = outcome.failure ?? unpruned;
      if (failure !== undefined) throw failure;
      return outcome.more;
    } finally {
      // What another pass wants by now was not tried yet.
      news.tried(wish === this.#wish ? pending : undefined);
    }
  }

  #difference(wish: ImportsWish): ImportsDifference {
    const { world } = this.#ports;
    // Informers answer with the same list until something changes in it.
    const of = [wish, world.serviceEntries.list(), world.destinationRules.list()];
    if (this.#known === undefined || this.#known.of.some((each, index) => each !== of[index]))
      this.#known = { of, difference: importsDifference(world, wish) };
    return this.#known.difference;
  }
}
