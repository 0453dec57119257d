import { lookup } from 'node:dns/promises';

/** Judges one IP address; `libs/protocol` has the rules (loopback, link-local, our own API server …). Text = why refused. */
export type AddressRule = (ip: string) => string | undefined;

/** What became of an address that a peer named. */
export type GuardedAddress =
  | { readonly kind: 'allowed'; readonly addresses: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string }
  /** No answer, or none that names an address: nothing is known against it. */
  | { readonly kind: 'unresolved'; readonly message: string };

/** Resolves a name or IP that a peer named and refuses it when any of its addresses is forbidden (trust rule 15). */
export async function guardAddress(address: string, rule: AddressRule): Promise<GuardedAddress> {
  let resolved: readonly string[];
  try {
    resolved = (await lookup(address, { all: true, verbatim: true })).map((entry) => entry.address).sort();
  } catch {
    return { kind: 'unresolved', message: `${address}: cannot be resolved from this cluster` };
  }
  for (const ip of resolved) {
    const why = rule(ip);
    if (why !== undefined) return { kind: 'refused', message: `${address} (${ip}): ${why}` };
  }
  return { kind: 'allowed', addresses: resolved };
}
