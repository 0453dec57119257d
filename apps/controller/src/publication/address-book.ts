import type { Clock, Finding, GatewayAddress } from '#model';
import { guardAddress } from '#peer-client';
import type { AddressRule } from '#peer-client';

/** Names are looked up again this often. */
const freshMs = 30_000;

interface Entry {
  readonly at: number;
  readonly refusal?: string;
}

/** Remembers which gateway addresses of peers may be used, so that a pass does not wait for DNS each time (trust rule 15). */
export class AddressBook {
  readonly #rule: AddressRule;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(rule: AddressRule, clock: Clock) {
    this.#rule = rule;
    this.#clock = clock;
  }

  /** The addresses that may be used, and a finding for each other one. */
  async judge(
    gateways: readonly GatewayAddress[],
  ): Promise<{ readonly allowed: readonly GatewayAddress[]; readonly findings: readonly Finding[] }> {
    const entries = await Promise.all(gateways.map((gateway) => this.#entry(gateway.address)));
    const allowed = gateways.filter((_gateway, index) => entries[index]?.refusal === undefined);
    const findings = gateways.flatMap((gateway, index) => {
      const refusal = entries[index]?.refusal;
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

  async #entry(address: string): Promise<Entry> {
    const known = this.#entries.get(address);
    if (known !== undefined && this.#clock.now() - known.at < freshMs) return known;
    const guarded = await guardAddress(address, this.#rule);
    const entry: Entry =
      guarded.kind === 'allowed' ? { at: this.#clock.now() } : { at: this.#clock.now(), refusal: guarded.message };
    if (this.#entries.size > 10_000) this.#entries.clear();
    this.#entries.set(address, entry);
    return entry;
  }
}
