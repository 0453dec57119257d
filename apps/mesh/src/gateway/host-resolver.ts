import { Resolver } from 'node:dns/promises';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '#model';
import { forbiddenAddress } from '#protocol';

/** Addresses of a name and for how many seconds they hold. */
export interface Answer {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

export type AskDns = (host: string) => Promise<Answer>;

export interface HostResolverOptions {
  readonly clock: Clock;
  readonly ask?: AskDns;
  /** The addresses behind some name are others now. */
  readonly onChange: () => void;
  readonly onFailure: (host: string, error: unknown) => void;
  /** IP addresses of our own API server. */
  readonly ownAddresses?: () => readonly string[];
}

interface Known {
  readonly addresses: readonly string[] | undefined;
  readonly askAgainAt: number;
}

const leastTtlMs = 5_000;
const mostTtlMs = 60_000;
const retryMs = 2_000;
const tickMs = 1_000;

/**
 * Resolves the names of peers' gateways for all proxies, since endpoints are told to them as addresses. Answers are asked for
 * again when their time is up; while DNS does not answer, the last ones stay. What is an address already is judged only, at once and again
 * and again: our own API server may have come to be there.
 */
export class HostResolver {
  readonly #options: Required<HostResolverOptions>;
  #known: ReadonlyMap<string, Known> = new Map();
  #resolved: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #asking = new Set<string>();

  constructor(options: HostResolverOptions) {
    this.#options = { ask: askDns, ownAddresses: () => [], ...options };
  }

  /** Names and their addresses; names that were never resolved are missing. The same object until something changes. */
  get resolved(): ReadonlyMap<string, readonly string[]> {
    return this.#resolved;
  }

  start(signal: AbortSignal): void {
    const timer = setInterval(() => this.refresh(), tickMs).unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  /** Says which names matter now; new ones are asked for at once, others forgotten. */
  want(hosts: Iterable<string>): void {
    const wanted = new Set(hosts);
    const same = wanted.size === this.#known.size && [...wanted].every((host) => this.#known.has(host));
    if (same) return;
    this.#known = new Map([...wanted].map((host) => [host, this.#known.get(host) ?? this.#unasked(host)]));
    this.#publish();
    this.refresh();
  }

  /** Settles when every name has been asked for once, or when so much time is over. */
  async asked(withinMs: number): Promise<void> {
    const until = this.#options.clock.now() + withinMs;
    while (this.#asking.size > 0 && this.#options.clock.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Asks for what is due. */
  refresh(): void {
    const now = this.#options.clock.now();
    for (const [host, { askAgainAt }] of this.#known) if (askAgainAt <= now) void this.#ask(host);
  }

  #unasked(host: string): Known {
    if (isIP(host) === 0) return { addresses: undefined, askAgainAt: 0 };
    return { addresses: this.#permitted(host, [host]), askAgainAt: this.#options.clock.now() + leastTtlMs };
  }

  async #ask(host: string): Promise<void> {
    if (this.#asking.has(host)) return;
    this.#asking.add(host);
    try {
      const { addresses, ttlSeconds } = isIP(host) === 0 ? await this.#options.ask(host) : itself(host);
      const ttlMs = Math.min(mostTtlMs, Math.max(leastTtlMs, ttlSeconds * 1000));
      this.#note(host, this.#permitted(host, addresses), ttlMs);
    } catch (error) {
      this.#options.onFailure(host, error);
      this.#note(host, this.#known.get(host)?.addresses, retryMs);
    } finally {
      this.#asking.delete(host);
    }
  }

  /** The controller has judged the name, but by another answer than this one: proxies must not be led to us or to the node (trust rule 15). */
  #permitted(host: string, addresses: readonly string[]): readonly string[] {
    const own = { ownAddresses: this.#options.ownAddresses() };
    const permitted = addresses.filter((address) => forbiddenAddress(address, own) === undefined);
    if (permitted.length < addresses.length)
      this.#options.onFailure(host, new Error('leads to an address that no peer may name; it is left out'));
    return [...new Set(permitted)].sort();
  }

  #note(host: string, addresses: readonly string[] | undefined, forMs: number): void {
    const before = this.#known.get(host);
    if (before === undefined) return;
    const same = before.addresses?.join() === addresses?.join();
    const kept = same ? before.addresses : addresses;
    this.#known = new Map(this.#known).set(host, {
      addresses: kept,
      askAgainAt: this.#options.clock.now() + forMs,
    });
    if (same) return;
    this.#publish();
    this.#options.onChange();
  }

  #publish(): void {
    this.#resolved = new Map(
      [...this.#known].flatMap(([host, { addresses }]) =>
        addresses === undefined ? [] : [[host, addresses] as const],
      ),
    );
  }
}

function itself(address: string): Answer {
  return { addresses: [address], ttlSeconds: mostTtlMs / 1000 };
}

const askTimeoutMs = 3_000;

/** A and AAAA records with their TTL; failing these whatever the system knows (hosts file), for half a minute. */
async function askDns(host: string): Promise<Answer> {
  const resolver = new Resolver({ timeout: askTimeoutMs, tries: 2 });
  const answers = await Promise.allSettled([
    resolver.resolve4(host, { ttl: true }),
    resolver.resolve6(host, { ttl: true }),
  ]);
  const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length > 0) {
    return {
      addresses: records.map(({ address }) => address),
      ttlSeconds: Math.min(...records.map(({ ttl }) => ttl)),
    };
  }
  const found = await lookup(host, { all: true });
  return { addresses: found.map(({ address }) => address), ttlSeconds: 30 };
}
