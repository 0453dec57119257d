import type { WayOutPeer, WayOutReader, WayOutRegistry } from '#model';
import type { Reply, ReplyEnd } from '../api-proxy/reply.js';

interface Open {
  readonly peer: WayOutPeer;
  readonly reader: WayOutReader;
  readonly reply: Reply;
}

/** Requests of local readers under way: bounded for each reader and peer, ended when either is gone. */
export class OpenRequests {
  readonly #limits: { readonly requestsPerReader: number; readonly watchesPerReader: number };
  readonly #open = new Set<Open>();
  readonly #counts = new Map<string, number>();

  constructor(limits: { readonly requestsPerReader: number; readonly watchesPerReader: number }) {
    this.#limits = limits;
  }

  count(watch: boolean): number {
    return [...this.#counts].reduce((sum, [key, count]) => (key.startsWith(`${watch} `) ? sum + count : sum), 0);
  }

  /** False when this reader holds too many open already. */
  add(peer: WayOutPeer, reader: WayOutReader, reply: Reply): boolean {
    const key = `${reply.watch} ${peer.name} ${reader.reader}`;
    const count = this.#counts.get(key) ?? 0;
    if (count >= (reply.watch ? this.#limits.watchesPerReader : this.#limits.requestsPerReader)) return false;
    const open = { peer, reader, reply };
    this.#open.add(open);
    this.#counts.set(key, count + 1);
    void reply.ended.then(() => {
      this.#open.delete(open);
      const left = (this.#counts.get(key) ?? 1) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    });
    return true;
  }

  /** Cuts what goes to a peer that is no longer there, or belongs to a credential that is no longer good. */
  review({ peers }: WayOutRegistry): void {
    const good = new Set(
      peers.flatMap(({ name, apiHost, audience, readers }) =>
        readers.map(({ sha256 }) => `${name} ${apiHost} ${audience} ${sha256}`),
      ),
    );
    for (const { peer, reader, reply } of [...this.#open])
      if (!good.has(`${peer.name} ${peer.apiHost} ${peer.audience} ${reader.sha256}`)) reply.end('untrusted');
  }

  endWatches(reason: ReplyEnd): void {
    for (const { reply } of [...this.#open]) if (reply.watch) reply.end(reason);
  }
}
