import { isIP } from 'node:net';
import type { Clock, Finding, GatewayAddress } from '#model';
import { guardAddress } from '#peer-client';
import type { AddressRule, GuardedAddress } from '#peer-client';
import { forbiddenAddress } from '#protocol';
import { wait } from '../peer-link/pacing.js';

/** Names are looked up again this often. */
const freshMs = 30_000;
/** A pass waits so long for names it sees for the first time: a silent name server of one peer must not hold up the others. */
const patienceMs = 500;
/** Each lookup holds one of the process's four threads, for many seconds where a name server is silent. */
const lookupsAtOnce = 2;

interface Entry {
  readonly at: number;
  readonly refusal?: string;
}

export interface AddressBookPorts {
  readonly rule: AddressRule;
  readonly clock: Clock;
  /** Told when an answer came that a pass did not wait for, and it changes what is known. */
  readonly onNews: () => void;
  readonly guard?: (address: string, rule: AddressRule) => Promise<GuardedAddress>;
}

/** Which addresses no peer may name as its gateway, our own API server's among them. */
export function addressRule(server: string): AddressRule {
  const ownAddresses = [new URL(server).hostname.replace(/^\[|\]$/g, '')];
  return (ip) => forbiddenAddress(ip, { ownAddresses });
}

/** Remembers which gateway addresses of peers may be used, so that a pass does not wait for DNS each time (trust rule 15). */
export class AddressBook {
  readonly #ports: AddressBookPorts;
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #lookups = 0;

  constructor(ports: AddressBookPorts) {
    this.#ports = ports;
  }

  /** The addresses that may be used, and a finding for each other one. */
  async judge(
    gateways: readonly GatewayAddress[],
  ): Promise<{ readonly allowed: readonly GatewayAddress[]; readonly findings: readonly Finding[] }> {
    await this.#learn(gateways.map(({ address }) => address));
    const refusals = gateways.map(({ address }) => this.#refusal(address));
    const allowed = gateways.filter((_gateway, index) => refusals[index] === undefined);
    const findings = gateways.flatMap((gateway, index) => {
      const refusal = refusals[index];
      return refusal === undefined
        ? []
        : [
            {
              reason: 'AddressRefused',
              subject: `${gateway.address}:${gateway.port}`,
              message: `${refusal}: this gateway of the peer is not used`,
            },
          ];
    });
    return { allowed, findings };
  }

  #refusal(address: string): string | undefined {
    const entry = this.#entries.get(address);
    return entry === undefined ? `${address}: cannot be resolved from this cluster so far` : entry.refusal;
  }

  /** Looks up what is not fresh; waits, a little, only for what is not known at all. */
  async #learn(addresses: readonly string[]): Promise<void> {
    const now = this.#ports.clock.now();
    const due = addresses.filter((address) => now - (this.#entries.get(address)?.at ?? -Infinity) >= freshMs);
    const lookups = due.map((address) => [address, this.#lookUp(address)] as const);
    const unknown = lookups.filter(([address]) => !this.#entries.has(address)).map(([, lookup]) => lookup);
    if (unknown.length === 0) return;
    const impatient = new AbortController();
    await Promise.race([Promise.all(unknown), wait(patienceMs, impatient.signal)]);
    impatient.abort();
  }

  #lookUp(address: string): Promise<void> {
    const running = this.#underWay.get(address) ?? this.#guard(address).finally(() => this.#underWay.delete(address));
    this.#underWay.set(address, running);
    return running;
  }

  async #guard(address: string): Promise<void> {
    const { clock, rule, onNews, guard = guardAddress } = this.#ports;
    const started = clock.now();
    const known = this.#entries.has(address);
    const before = this.#refusal(address);
    const look = (): Promise<GuardedAddress> => guard(address, rule);
    const guarded = await (isIP(address) === 0 ? this.#inTurn(look) : look());
    if (this.#entries.size > 10_000) this.#entries.clear();
    this.#entries.set(address, {
      at: clock.now(),
      ...(guarded.kind === 'allowed' ? {} : { refusal: guarded.message }),
    });
    const awaited = !known && clock.now() - started < patienceMs;
    if (!awaited && before !== this.#refusal(address)) onNews();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#lookups >= lookupsAtOnce) await new Promise<void>((turn) => this.#waiting.push(turn));
    else this.#lookups += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#lookups -= 1;
      else next();
    }
  }
}
