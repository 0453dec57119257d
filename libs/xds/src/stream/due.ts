import type { Resource } from '#proto';
import type { ResourceSet } from './served.js';
import { wants, type Subscription } from './subscription.js';

/** What a client lacks, and what it will hold once it has been sent that. */
export interface Due {
  readonly resources: readonly Resource[];
  /** Names it holds, or asked for, that do not exist. */
  readonly removed: readonly string[];
  readonly held: ReadonlyMap<string, string>;
}

export interface Wanted {
  readonly subscription: Subscription;
  readonly held: ReadonlyMap<string, string>;
  /** Names to send although the client holds this version. */
  readonly again?: ReadonlySet<string>;
  /** Leaves what is no longer there for later. */
  readonly keepGone?: boolean;
}

/** Version noted for a name of which the client was told that there is none. */
export const toldAbsent = '';

/** True when there is something to send. */
export function isDue(due: Due): boolean {
  return due.resources.length > 0 || due.removed.length > 0;
}

/** Compares what a client holds with what there is, by name and version; sorted, so equal input gives equal responses. */
export function dueOf(set: ResourceSet, wanted: Wanted): Due {
  const { held, again } = wanted;
  if (held === set.versions && (again?.size ?? 0) === 0) return { resources: [], removed: [], held };
  const resources: Resource[] = [];
  const removed = wanted.keepGone === true ? [] : noLongerThere(set, wanted);
  const after = new Map(held);
  for (const name of removed) after.delete(name);
  for (const name of namesToLookAt(set, wanted)) {
    const resource = set.resource(name);
    const version = resource?.version ?? toldAbsent;
    if (held.get(name) === version && again?.has(name) !== true) continue;
    after.set(name, version);
    if (resource === undefined) removed.push(name);
    else resources.push(resource);
  }
  return { resources, removed: removed.sort(), held: sameAs(set.versions, after) };
}

/** Whether the client holds something that is no longer there, and has not been told so. */
export function holdsWhatIsGone(
  set: ResourceSet,
  { held, subscription }: Pick<Wanted, 'held' | 'subscription'>,
): boolean {
  if (held === set.versions) return false;
  for (const [name, version] of held) {
    if (set.versions.has(name) || !wants(subscription, name)) continue;
    if (version !== (set.resource(name)?.version ?? toldAbsent)) return true;
  }
  return false;
}

function namesToLookAt(set: ResourceSet, { subscription, again, keepGone }: Wanted): Iterable<string> {
  const names = wantedNames(set, subscription);
  return keepGone === true ? [...names].filter((name) => set.versions.has(name) || again?.has(name) === true) : names;
}

function wantedNames(set: ResourceSet, subscription: Subscription): Iterable<string> {
  if (!subscription.wildcard) return [...subscription.names].sort();
  return subscription.names.size === 0
    ? set.versions.keys()
    : new Set([...set.versions.keys(), ...subscription.names].sort());
}

/** Held under a wildcard and gone since. Named subscriptions are walked by name, so they find their own. */
function noLongerThere(set: ResourceSet, { held, subscription }: Wanted): string[] {
  const gone: string[] = [];
  for (const [name, version] of held) {
    const walked = set.versions.has(name) || subscription.names.has(name);
    if (!walked && version !== toldAbsent && wants(subscription, name)) gone.push(name);
  }
  return gone;
}

/** Shares the set's own map when the client holds exactly that: up-to-date streams then cost no memory and compare at once. */
function sameAs(shared: ReadonlyMap<string, string>, held: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (shared.size !== held.size) return held;
  for (const [name, version] of held) if (shared.get(name) !== version) return held;
  return shared;
}
