import { setTimeout as pause } from 'node:timers/promises';
import type { GatewayAddress } from '#model';
import type { AllowedGateway } from '../publication/address-book.js';
import { probeTcp } from '#peer-client';

/** What the last TCP connect to a gateway gave. */
export interface GatewayProbe extends GatewayAddress {
  readonly reachable: boolean;
  readonly message?: string;
}

const timeoutMs = 3_000;
/** One failure alone may be a busy moment, and would turn a condition. */
const againMs = 500;

/** Looks now and then whether peers' gateways accept TCP connections: for status only, it never stops an import. */
export class GatewayProber {
  readonly #results = new Map<string, readonly GatewayProbe[]>();
  /** By peer key: what is being looked at now. */
  readonly #underWay = new Map<string, readonly GatewayAddress[]>();
  readonly #onChange: (key: string) => void;

  constructor(onChange: (key: string) => void) {
    this.#onChange = onChange;
  }

  results(key: string): readonly GatewayProbe[] {
    return this.#results.get(key) ?? [];
  }

  /** Peers whose gateways have not been looked at as they are now. */
  isDue(gateways: ReadonlyMap<string, readonly AllowedGateway[]>): boolean {
    return [...gateways].some(([key, addresses]) => {
      const probed = this.#underWay.get(key) ?? this.#results.get(key) ?? [];
      return addresses.length !== probed.length || addresses.some((each, index) => !sameAddress(each, probed[index]));
    });
  }

  /** One round over all peers' gateways; peers no longer named are forgotten. */
  async round(gateways: ReadonlyMap<string, readonly AllowedGateway[]>): Promise<void> {
    for (const known of [this.#results, this.#underWay])
      for (const key of known.keys()) if (!gateways.has(key)) known.delete(key);
    await Promise.all([...gateways].map(([key, addresses]) => this.#probe(key, addresses)));
  }

  async #probe(key: string, addresses: readonly AllowedGateway[]): Promise<void> {
    this.#underWay.set(key, addresses);
    const probes = await Promise.all(addresses.map(probeOne));
    // A later round has begun: what it finds is newer.
    if (this.#underWay.get(key) !== addresses) return;
    this.#underWay.delete(key);
    const before = JSON.stringify(this.#results.get(key));
    this.#results.set(key, probes);
    if (before !== JSON.stringify(probes)) this.#onChange(key);
  }
}

function sameAddress(a: GatewayAddress, b: GatewayAddress | undefined): boolean {
  return a.address === b?.address && a.port === b.port;
}

/** Connects to the address that was judged, not to whatever the name leads to by now. */
async function probeOne({ address, port, addresses }: AllowedGateway): Promise<GatewayProbe> {
  const connect = (): ReturnType<typeof probeTcp> => probeTcp(addresses[0] ?? address, port, timeoutMs);
  let result = await connect();
  if (!('ms' in result)) {
    await pause(againMs);
    result = await connect();
  }
  return 'ms' in result
    ? { address, port, reachable: true }
    : { address, port, reachable: false, message: result.error };
}
