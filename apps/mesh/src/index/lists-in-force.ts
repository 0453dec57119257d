import type { KubeLogger } from '#kube';
import { peerKey, type Clock, type TrustRegistry } from '#model';
import { listsLeaveAt, parseCrls } from '#trust';

export interface ListsInForceOptions {
  readonly clock: Clock;
  readonly logger: Pick<KubeLogger, 'warn'>;
  /** Time changed what is in force: time for another model. */
  readonly onChange: () => void;
  /** Calls back after so many milliseconds; returns what takes that back. Replaced in specs. */
  readonly later?: (work: () => void, milliseconds: number) => () => void;
}

/** For a clock that is a little behind the timer. */
const slackMs = 50;
const longestTimerMs = 2 ** 31 - 1;
const none: readonly string[] = [];

/**
 * Leaves out peers' revocation lists when they leave (`listsLeaveAt`): an expired list inside a bundle would refuse every certificate (trust
 * rule 12). The controller does so too where it writes the registry, but a registry stays as it is while no controller runs. Our own are judged
 * by the certificate authority. What is left keeps its identity while it is the same.
 */
export class ListsInForce {
  readonly #options: Required<ListsInForceOptions>;
  /** Of the lists there were at the last look, by text: a large one takes its time to read. */
  #ends: ReadonlyMap<string, number> = new Map();
  #registry: { readonly from: TrustRegistry; readonly left: string; readonly value: TrustRegistry } | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: ListsInForceOptions) {
    this.#options = { later: afterTimeout, ...options };
  }

  /** What holds of peers now. Calls back once that is less, and at `ownChangeAt` (Unix milliseconds), when our own lists change. */
  look(registry: TrustRegistry, ownChangeAt?: number): TrustRegistry {
    const now = this.#options.clock.now();
    this.#read(registry.peers.flatMap((peer) => peer.crls));
    const left = registry.peers.filter((peer) => !this.#holds(peer.crls, now)).map(peerKey);
    const holding = this.#holding(registry, left);
    const first = this.#firstEnd(holding.peers.map((peer) => peer.crls));
    this.#wakeAt(Math.min(first, ownChangeAt ?? Number.POSITIVE_INFINITY), now);
    return holding;
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
    this.#cancel = this.#options.later(() => this.#options.onChange(), wait);
  }

  #read(texts: readonly string[]): void {
    const before = this.#ends;
    this.#ends = new Map(texts.map((text) => [text, before.get(text) ?? firstNextUpdate(text)]));
  }

  /** When a set is left out, Unix milliseconds. */
  #endOf(crls: readonly string[]): number {
    return listsLeaveAt(Math.min(...crls.map((text) => this.#ends.get(text) ?? 0)));
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
