import { objectIdentity } from '#kube';
import type { ApiObject } from '#kube';

/** Imports of one peer that do not stand, and why the first of them does not. */
export interface Unwritten {
  readonly services: number;
  readonly message: string;
}

interface Failure {
  readonly host: string;
  readonly peers: readonly string[];
  readonly message: string;
}

/** ServiceEntries and DestinationRules that the API server did not take, until they stand or are no longer wanted. */
export class UnwrittenImports {
  readonly #failures = new Map<string, Failure>();

  /** `peers`: keys of those who offer it, as annotation `isthmus.dev/peers` lists them. */
  failed(object: ApiObject, peers: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const host = object.metadata?.name ?? '';
    this.#failures.set(objectIdentity(object), { host, peers: peers.split(',').filter(Boolean), message });
  }

  has(object: ApiObject): boolean {
    return this.#failures.has(objectIdentity(object));
  }

  written(object: ApiObject): void {
    this.#failures.delete(objectIdentity(object));
  }

  /** Forgets what stands by now or is not wanted any more. */
  keepOnly(changed: ReadonlySet<string>): void {
    for (const identity of this.#failures.keys()) if (!changed.has(identity)) this.#failures.delete(identity);
  }

  /** The same objects, those that failed before at the end. */
  last(objects: readonly ApiObject[]): readonly ApiObject[] {
    return [...objects.filter((object) => !this.has(object)), ...objects.filter((object) => this.has(object))];
  }

  /** By peer key. */
  perPeer(): ReadonlyMap<string, Unwritten> {
    const hosts = new Map<string, Set<string>>();
    const messages = new Map<string, string>();
    for (const { host, peers, message } of this.#failures.values())
      for (const peer of peers) {
        hosts.set(peer, (hosts.get(peer) ?? new Set()).add(host));
        if (!messages.has(peer)) messages.set(peer, message);
      }
    return new Map([...hosts].map(([peer, { size }]) => [peer, { services: size, message: messages.get(peer) ?? '' }]));
  }
}
