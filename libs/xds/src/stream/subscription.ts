/** Which resources of one type a client wants: all of them, some by name, or both (xDS protocol, "How the client specifies what resources to return"). */
export interface Subscription {
  readonly wildcard: boolean;
  readonly names: ReadonlySet<string>;
}

const everything = '*';

export const noSubscription: Subscription = { wildcard: false, names: new Set() };

/** First request of an incremental stream for a type; `wildcardType` says whether silence means everything. */
export function firstDeltaSubscription(subscribe: readonly string[], wildcardType: boolean): Subscription {
  if (subscribe.length === 0) return { wildcard: wildcardType, names: new Set() };
  return changedSubscription(noSubscription, subscribe, []);
}

/** A later incremental request: names added and taken away; the same object when nothing changes. */
export function changedSubscription(
  before: Subscription,
  subscribe: readonly string[],
  unsubscribe: readonly string[],
): Subscription {
  if (subscribe.length === 0 && unsubscribe.length === 0) return before;
  const names = new Set(before.names);
  let wildcard = before.wildcard;
  for (const name of unsubscribe) {
    if (name === everything) wildcard = false;
    else names.delete(name);
  }
  for (const name of subscribe) {
    if (name === everything) wildcard = true;
    else names.add(name);
  }
  return { wildcard, names };
}

/** A state-of-the-world request always states the whole subscription; no names at all mean everything only for a wildcard type. */
export function statedSubscription(names: readonly string[], wildcardType: boolean): Subscription {
  const wildcard = names.includes(everything) || (names.length === 0 && wildcardType);
  return { wildcard, names: new Set(names.filter((name) => name !== everything)) };
}

/** True when the client wants a resource of this name. */
export function wants(subscription: Subscription, name: string): boolean {
  return subscription.wildcard || subscription.names.has(name);
}
