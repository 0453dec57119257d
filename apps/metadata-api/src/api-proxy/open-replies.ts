import { peerKey } from '#model';
import type { TrustedPeer } from '#model';
import type { PeerStanding } from '../documents/knowledge.js';
import type { Reply, ReplyEnd } from './reply.js';

export interface OpenLimits {
  readonly watchesPerPeer: number;
  readonly requestsPerPeer: number;
}

/** Answers under way, by what was trusted when they began: bounded for each peer, ended when trust goes away. */
export class OpenReplies {
  readonly #limits: OpenLimits;
  readonly #open = new Map<TrustedPeer, Set<Reply>>();
  readonly #counts = new Map<string, number>();

  constructor(limits: OpenLimits) {
    this.#limits = limits;
  }

  count(watch: boolean): number {
    let sum = 0;
    for (const [key, count] of this.#counts) if (key.startsWith(kindOf(watch))) sum += count;
    return sum;
  }

  hasRoomFor(peer: TrustedPeer, watch: boolean): boolean {
    const most = watch ? this.#limits.watchesPerPeer : this.#limits.requestsPerPeer;
    return (this.#counts.get(countKey(peer, watch)) ?? 0) < most;
  }

  add(peer: TrustedPeer, reply: Reply): void {
    const replies = this.#open.get(peer) ?? new Set();
    this.#open.set(peer, replies.add(reply));
    this.#change(countKey(peer, reply.watch), 1);
    void reply.ended.then(() => {
      replies.delete(reply);
      if (replies.size === 0 && this.#open.get(peer) === replies) this.#open.delete(peer);
      this.#change(countKey(peer, reply.watch), -1);
    });
  }

  /**
   * Ends what belongs to peers that are no longer trusted. Of a peer whose key is gone watches end, in order: their readers prove themselves anew
   * and resume where they were. Its other answers are finished: a rotation loses no request.
   */
  endUntrusted(standingOf: (peer: TrustedPeer) => PeerStanding): void {
    for (const [peer, replies] of [...this.#open]) {
      const standing = standingOf(peer);
      if (standing === 'trusted') continue;
      for (const reply of [...replies]) {
        if (standing === 'untrusted') reply.end('untrusted');
        else if (reply.watch) reply.end('over');
      }
    }
  }

  endWatches(reason: ReplyEnd): void {
    for (const replies of [...this.#open.values()])
      for (const reply of [...replies]) if (reply.watch) reply.end(reason);
  }

  #change(key: string, by: number): void {
    const count = (this.#counts.get(key) ?? 0) + by;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}

function kindOf(watch: boolean): string {
  return watch ? 'watch ' : 'request ';
}

function countKey(peer: TrustedPeer, watch: boolean): string {
  return `${kindOf(watch)}${peerKey(peer)}`;
}
