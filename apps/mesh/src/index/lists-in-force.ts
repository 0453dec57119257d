import type { KubeLogger } from '#kube';
import { peerKey, type Clock, type TrustRegistry } from '#model';
import { parseCrls } from '#trust';

export interface ListsInForceOptions {
  readonly clock: Clock;
  readonly logger: Pick<KubeLogger, 'warn'>;
  /** Lists that were in force are not any more: time for another model. */
  readonly onEnd: () => void;
  /** Calls back after so many milliseconds; returns what takes that back. Replaced in specs. */
  readonly later?: (work: () => void, milliseconds: number) => () => void;
}

/** All that proxies verify with, of us and of peers. */
export interface Lists {
  readonly registry: TrustRegistry;
  /** Our own, PEM. */
  readonly crls: readonly string[];
}

/** So much before its end a list goes: until the last proxy has heard of it, and for clocks that run ahead. */
const marginMs = 30_000;
/** For a clock that is a little behind the timer. */
const slackMs = 50;
const longestTimerMs = 2 ** 31 - 1;
const none: readonly string[] = [];

/**
 * Leaves out revocation lists that end within half a minute, ours and peers': an expired list inside a bundle would refuse every
 * certificate (trust rule 12). What is left keeps its identity while it is the same.
 */
export class ListsInForce {
  readonly #options: Required<ListsInForceOptions>;
  /** Of the lists there were at the last look, by text: a large one takes its time to read. */
  #ends: ReadonlyMap<string, number> = new Map();
  #registry: { readonly from: TrustRegistry; readonly left: string; readonly value: TrustRegistry } | undefined;
  #ownEnded = false;
  #cancel: (() => void) | undefined;

  constructor(options: ListsInForceOptions) {
    this.#options = { later: afterTimeout, ...options };
  }

  /** What holds now; calls back once that is less. */
  look({ registry, crls }: Lists): Lists {
    const now = this.#options.clock.now();
    this.#read([...crls, ...registry.peers.flatMap((peer) => peer.crls)]);
    const left = registry.peers.filter((peer) => !this.#holds(peer.crls, now)).map(peerKey);
    const holding = this.#holding(registry, left);
    const own = this.#holds(crls, now) ? crls : none;
    this.#tellOwn(own !== crls);
    this.#wakeAt(this.#firstEnd([own, ...holding.peers.map((peer) => peer.crls)]), now);
    return { registry: holding, crls: own };
  }

  stop(): void {
    this.#cancel?.();
  }

  #holding(from: TrustRegistry, ended: readonly string[]): TrustRegistry {
    if (ended.length === 0) return from;
    const left = ended.join(' ');
    if (this.#registry?.from === from && this.#registry.left === left) return this.#registry.value;
    this.#options.logger.warn({ peers: ended }, 'revocation lists end: not enforced until these peers publish others');
    const peers = from.peers.map((peer) => (ended.includes(peerKey(peer)) ? { ...peer, crls: none } : peer));
    this.#registry = { from, left, value: { ...from, peers } };
    return this.#registry.value;
  }

  #tellOwn(ended: boolean): void {
    if (ended && !this.#ownEnded)
      this.#options.logger.warn({}, 'our own revocation lists end: not enforced until ca-crl.pem holds others');
    this.#ownEnded = ended;
  }

  #holds(crls: readonly string[], now: number): boolean {
    return crls.length === 0 || now < this.#endOf(crls);
  }

  #firstEnd(sets: readonly (readonly string[])[]): number {
    return Math.min(...sets.filter(({ length }) => length > 0).map((crls) => this.#endOf(crls)));
  }

  #wakeAt(end: number, now: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!Number.isFinite(end)) return;
    const wait = Math.min(Math.max(end - now, 0) + slackMs, longestTimerMs);
    this.#cancel = this.#options.later(() => this.#options.onEnd(), wait);
  }

  #read(texts: readonly string[]): void {
    const before = this.#ends;
    this.#ends = new Map(texts.map((text) => [text, before.get(text) ?? firstNextUpdate(text)]));
  }

  /** When a set is left out, Unix milliseconds. */
  #endOf(crls: readonly string[]): number {
    return Math.min(...crls.map((text) => this.#ends.get(text) ?? 0)) - marginMs;
  }
}

/** When the first list of a text ends; 0 for one that cannot be read or never ends: such a list is not taken at all. */
function firstNextUpdate(text: string): number {
  try {
    const ends = parseCrls([text]).map(({ nextUpdate }) => nextUpdate ?? 0);
    return ends.length === 0 ? 0 : Math.min(...ends);
  } catch {
    return 0;
  }
}

function afterTimeout(work: () => void, milliseconds: number): () => void {
  const timer = setTimeout(work, milliseconds).unref();
  return () => clearTimeout(timer);
}
