import type { KubernetesObject, ServiceEntry } from '#istio-api';
import { forEachBounded, isGoing, objectIdentity, pathOfObject, standsAs, withAppliedDigest } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { annotations, names } from '#model';
import type { VirtualAddress } from '#planner';
import type { World } from '../world.js';
import type { UnwrittenImports } from './unwritten-imports.js';

/** So many changes are written in one go; then the latest verdict is looked at again. */
const batchSize = 200;

export interface ImportsWish {
  /** ServiceEntries and DestinationRules. */
  readonly imports: readonly KubernetesObject[];
  readonly virtualAddresses: readonly VirtualAddress[];
}

export interface ImportsPorts {
  readonly client: KubeClient;
  readonly world: World;
  /** What could not be written, kept between batches: it comes after what was not tried yet. */
  readonly unwritten: UnwrittenImports;
}

/** What became of one batch. */
export interface BatchOutcome {
  readonly more: boolean;
  /** By peer key: services that do not stand as the verdict says. */
  readonly pending: ReadonlyMap<string, number>;
  /** The first failure; of imports only when all was tried. */
  readonly failure: Error | undefined;
}

/** Where what stands departs from what a verdict wants. */
export interface ImportsDifference {
  /** What stands, by `objectIdentity`. */
  readonly live: ReadonlyMap<string, ApiObject>;
  readonly changed: readonly ApiObject[];
  /** What stands and is wanted no longer, also where it is being deleted. */
  readonly superfluous: readonly ApiObject[];
  /** Whose each wanted import is, by its name. */
  readonly peers: ReadonlyMap<string, string>;
}

/** Looks at everything that stands and everything that is wanted, once each: there may be tens of thousands. */
export function importsDifference(world: World, { imports }: ImportsWish): ImportsDifference {
  const desired = imports as readonly ApiObject[];
  const live = new Map(liveImports(world).map((object) => [objectIdentity(object), object]));
  const wanted = new Set<string>();
  const changed = desired.filter((object) => {
    const identity = objectIdentity(object);
    wanted.add(identity);
    return !standsAs(object, live.get(identity));
  });
  const superfluous = [...live].flatMap(([identity, object]) => (wanted.has(identity) ? [] : [object]));
  return { live, changed, superfluous, peers: peersByName(desired) };
}

/** By peer key: services that do not stand as the latest verdict says; and whether one batch brings them all. */
export function pendingImports({ changed, peers }: ImportsDifference): {
  readonly pending: ReadonlyMap<string, number>;
  readonly inOneBatch: boolean;
} {
  return { pending: servicesPerPeer(changed, peers), inOneBatch: changed.length <= batchSize };
}

/** Deletes what the latest verdict no longer wants; all of it is tried. Returns the first failure. */
export async function pruneImports(
  { client, unwritten }: ImportsPorts,
  { live, superfluous }: ImportsDifference,
  signal: AbortSignal,
): Promise<Error | undefined> {
  const objects = superfluous.filter((object) => !isGoing(object));
  if (objects.length === 0) return undefined;
  return eachTold(unwritten, { objects, peers: peersByName([...live.values()]) }, (object) =>
    client.delete(pathOfObject(object), { uid: object.metadata?.uid, signal }),
  );
}

/**
 * Writes one batch of the changes that the latest verdict asks for, in which every peer has its share. Runs beside the publication pass, which must
 * not wait for thousands of imports.
 */
export async function writeImports(
  { client, world, unwritten }: ImportsPorts,
  { imports, virtualAddresses }: ImportsWish,
  { live, changed, superfluous, peers }: ImportsDifference,
  signal: AbortSignal,
): Promise<BatchOutcome> {
  unwritten.keepOnly(new Set([...changed, ...superfluous].map(objectIdentity)));
  const batch = inTurns(unwritten.last(changed), peers).slice(0, batchSize);
  // Entry, rule and then the address follow each other at once: to proxies they are one change.
  const failure = await eachTold(unwritten, { objects: batch, peers }, (object) =>
    client.apply(withAppliedDigest(object), { fieldManager: names.fieldManager, signal }),
  );
  const tried = new Set(batch);
  const isThere = (entry: ServiceEntry): boolean =>
    tried.has(entry as ApiObject) || live.has(objectIdentity(entry as ApiObject));
  const unaddressed = await writeAddresses({ client, world }, imports.filter(isEntry), virtualAddresses, {
    isThere,
    signal,
  });
  const more = changed.length > batch.length;
  const left = changed.filter((object) => !tried.has(object) || unwritten.has(object));
  return { more, pending: servicesPerPeer(left, peers), failure: unaddressed ?? (more ? undefined : failure) };
}

/** Tries each object, and keeps what fails for the status of those who offer it. Returns the first failure. */
async function eachTold(
  unwritten: UnwrittenImports,
  { objects, peers }: { readonly objects: readonly ApiObject[]; readonly peers: ReadonlyMap<string, string> },
  work: (object: ApiObject) => Promise<unknown>,
): Promise<Error | undefined> {
  const failures: Error[] = [];
  await forEachBounded(objects, failures, async (object) => {
    try {
      await work(object);
      unwritten.written(object);
    } catch (error) {
      unwritten.failed(object, peers.get(object.metadata?.name ?? '') ?? '', error);
      throw error;
    }
  });
  return failures[0];
}

function isEntry(object: { readonly kind?: string | undefined }): object is ServiceEntry {
  return object.kind === 'ServiceEntry';
}

/** Entry and rule of one service have one name: it stands when both do. */
function servicesPerPeer(
  objects: readonly ApiObject[],
  peers: ReadonlyMap<string, string>,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of new Set(objects.map(({ metadata }) => metadata?.name ?? '')))
    for (const peer of (peers.get(name) ?? '').split(',').filter(Boolean))
      counts.set(peer, (counts.get(peer) ?? 0) + 1);
  return counts;
}

function liveImports({ serviceEntries, destinationRules }: World): readonly ApiObject[] {
  return [...serviceEntries.list(), ...destinationRules.list()];
}

/** A DestinationRule has the name of its ServiceEntry, which says whose it is. */
function peersByName(objects: readonly ApiObject[]): ReadonlyMap<string, string> {
  return new Map(
    objects.flatMap(({ metadata }) => {
      const peers = metadata?.annotations?.[annotations.peers];
      return peers === undefined ? [] : [[metadata?.name ?? '', peers] as const];
    }),
  );
}

/** One of each peer after another: a peer that offers thousands does not hold up who offers one. */
export function inTurns(objects: readonly ApiObject[], peers: ReadonlyMap<string, string>): readonly ApiObject[] {
  const byPeers = Map.groupBy(objects, ({ metadata }) => peers.get(metadata?.name ?? '') ?? '');
  const turns = [...byPeers.values()].flatMap((group) => group.map((object, turn) => ({ object, turn })));
  return turns.sort((a, b) => a.turn - b.turn).map(({ object }) => object);
}

/** Allocations go into each ServiceEntry's own status, where every replica and every proxy's control plane finds them. Returns the first failure. */
async function writeAddresses(
  { client, world }: Pick<ImportsPorts, 'client' | 'world'>,
  entries: readonly ServiceEntry[],
  addresses: readonly VirtualAddress[],
  { isThere, signal }: { readonly isThere: (entry: ServiceEntry) => boolean; readonly signal: AbortSignal },
): Promise<Error | undefined> {
  const byHost = new Map(addresses.map(({ hostname, address }) => [hostname, address]));
  const due = entries.flatMap((entry) => {
    const { namespace, name = '' } = entry.metadata ?? {};
    const address = byHost.get(entry.spec?.hosts[0] ?? '');
    const live = world.serviceEntries.get(namespace, name);
    const stands = address === undefined || live?.status?.addresses?.[0]?.value === address;
    return stands || !isThere(entry) ? [] : [withAddress(entry, address)];
  });
  const failures: Error[] = [];
  // Thousands at once would wait in line until their deadlines.
  await forEachBounded(due.slice(0, batchSize), failures, async (entry) => {
    await client.applyStatus(entry, { fieldManager: names.fieldManager, signal });
  });
  return failures[0];
}

function withAddress({ apiVersion, kind, metadata, spec }: ServiceEntry, value: string): ApiObject {
  const status = { addresses: [{ host: spec?.hosts[0] ?? '', value }] };
  const object = { apiVersion, kind, metadata: { namespace: metadata?.namespace, name: metadata?.name }, status };
  return object as unknown as ApiObject;
}
