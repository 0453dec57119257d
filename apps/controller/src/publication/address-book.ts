import { isIP } from 'node:net';
import type { Clock, Finding, GatewayAddress } from '#model';
import { guardAddress } from '#peer-client';
import type { AddressRule } from '#peer-client';
import { forbiddenAddress } from '#protocol';

/** Names are looked up again this often. */
const freshMs = 30_000;
const lookupMs = 5_000;
/** Each lookup holds one of the process's four threads, for many seconds where a name server is silent. */
const lookupsAtOnce = 2;
const mostNames = 10_000;

/** What became of a name: where it led when it last could be looked up, or why it is refused. */
type Known =
  | { readonly kind: 'allowed'; readonly addresses: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unresolved'; readonly message: string };

interface Entry {
  readonly known: Known;
  readonly at: number;
}

/** A gateway that may be used, with the IP addresses it stands for. */
export interface AllowedGateway extends GatewayAddress {
  readonly addresses: readonly string[];
}

export interface AddressVerdict {
  readonly allowed: readonly AllowedGateway[];
  readonly findings: readonly Finding[];
}

export interface AddressBookPorts {
  readonly rule: AddressRule;
  readonly clock: Clock;
  /** A name came to lead elsewhere, or nowhere: whoever judged by it judges again. */
  readonly onNews: () => void;
  readonly guard?: typeof guardAddress;
}

/** Which addresses no peer may name: `server` and the endpoints behind it are our own API server. */
export function addressRule(server: string, endpoints: () => readonly string[] = () => []): AddressRule {
  const host = new URL(server).hostname.replace(/^\[|\]$/g, '');
  return (ip) => forbiddenAddress(ip, { ownAddresses: [host, ...endpoints()] });
}

/**
 * Which addresses that peers named may be used (trust rule 15). It answers at once from what it knows and looks names up beside it, so that no
 * peer's slow DNS holds up another; a name that can't be looked up any more keeps its last addresses, only a forbidden one loses them.
 */
export class AddressBook {
  readonly #ports: AddressBookPorts;
  readonly #entries = new Map<string, Entry>();
  readonly #lookups = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(ports: AddressBookPorts) {
    this.#ports = ports;
  }

  /** The addresses that may be used now, and a finding for each other one. A name not looked up yet is neither. */
  judge(gateways: readonly GatewayAddress[]): AddressVerdict {
    const judged = gateways.map((gateway) => ({ gateway, known: this.#known(gateway.address) }));
    return {
      allowed: judged.flatMap(({ gateway, known }) =>
        known?.kind === 'allowed' ? [{ ...gateway, addresses: known.addresses }] : [],
      ),
      findings: judged.flatMap(({ gateway, known }) =>
        known === undefined || known.kind === 'allowed'
          ? []
          : [
              {
                reason: 'AddressRefused',
                subject: `${gateway.address}:${gateway.port}`,
                message: `${known.message}: it is not used; the peer must name one that leads to it from here`,
              },
            ],
      ),
    };
  }

  /** Resolves when no name is being looked up. */
  async settled(): Promise<void> {
    while (this.#lookups.size > 0) await Promise.all(this.#lookups.values());
  }

  #known(address: string): Known | undefined {
    if (isIP(address) !== 0) {
      const why = this.#ports.rule(address);
      return why === undefined
        ? { kind: 'allowed', addresses: [address] }
        : { kind: 'refused', message: `${address}: ${why}` };
    }
    const entry = this.#entries.get(address);
    if (entry === undefined || this.#ports.clock.now() - entry.at >= freshMs) this.#lookUp(address);
    return entry === undefined ? undefined : this.#judged(address, entry.known);
  }

  /** What is forbidden may have changed since: our own API server's addresses do. */
  #judged(address: string, known: Known): Known {
    if (known.kind !== 'allowed') return known;
    for (const ip of known.addresses) {
      const why = this.#ports.rule(ip);
      if (why !== undefined) return { kind: 'refused', message: `${address} (${ip}): ${why}` };
    }
    return known;
  }

  #lookUp(address: string): void {
    if (this.#lookups.has(address)) return;
    const before = this.#entries.get(address)?.known;
    const looking = this.#inTurn(() => resolved(this.#ports.guard ?? guardAddress, address, this.#ports.rule))
      .then((found) => {
        const known = found.kind === 'unresolved' && before?.kind === 'allowed' ? before : found;
        if (this.#entries.size >= mostNames) this.#entries.clear();
        this.#entries.set(address, { known, at: this.#ports.clock.now() });
        this.#lookups.delete(address);
        if (JSON.stringify(known) !== JSON.stringify(before)) this.#ports.onNews();
      })
      .catch(() => void this.#lookups.delete(address));
    this.#lookups.set(address, looking);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWay >= lookupsAtOnce) await new Promise<void>((turn) => this.#waiting.push(turn));
    else this.#underWay += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay -= 1;
      else next();
    }
  }
}

async function resolved(guard: typeof guardAddress, address: string, rule: AddressRule): Promise<Known> {
  const unresolved = { kind: 'unresolved', message: `${address}: cannot be resolved from this cluster` } as const;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Known>((done) => {
    timer = setTimeout(() => done(unresolved), lookupMs);
  });
  const looked = guard(address, rule).then((found): Known => found);
  try {
    return await Promise.race([looked, late]);
  } finally {
    clearTimeout(timer);
  }
}
