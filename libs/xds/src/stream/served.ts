import type { Resource } from '#proto';

/** All resources of one type that one proxy may see now; never changed once built. */
export interface ResourceSet {
  /** Content version per name, in name order. */
  readonly versions: ReadonlyMap<string, string>;
  /** The resource of that name; types whose absence would leave the client waiting answer unknown names with an empty one. */
  resource(name: string): Resource | undefined;
}

/** What one proxy is served: one set per type URL. A type that is not in it is never answered. */
export interface Served {
  set(typeUrl: string): ResourceSet | undefined;
}

/**
 * Builds a set. `absent` makes the answer to a name that is not in it (an empty ClusterLoadAssignment, for one); without it
 * such a name is answered by `removed_resources` (incremental) or by silence (state of the world).
 */
export function resourceSet(resources: Iterable<Resource>, absent?: (name: string) => Resource): ResourceSet {
  const byName = new Map([...resources].sort(byResourceName).map((resource) => [resource.name, resource]));
  const versions = new Map([...byName].map(([name, resource]) => [name, resource.version]));
  return { versions, resource: (name) => byName.get(name) ?? absent?.(name) };
}

/** A view over several sets. */
export function servedFrom(sets: ReadonlyMap<string, ResourceSet>): Served {
  return { set: (typeUrl) => sets.get(typeUrl) };
}

function byResourceName(a: Resource, b: Resource): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
