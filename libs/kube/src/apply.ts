import { createHash } from 'node:crypto';
import { asError, isFields, sortedRecord } from '#model';
import type { KubeClient } from './client.js';
import { objectIdentity, pathOfObject } from './resource.js';
import type { ApiObject } from './object.js';

/** Annotation with the digest of what was last applied: without it a field that is no longer desired would go unnoticed. */
export const appliedAnnotation = 'isthmus.dev/applied';
const writesAtOnce = 8;

/** The object with its own digest in `isthmus.dev/applied`. Same content, same bytes. */
export function withAppliedDigest<T extends ApiObject>(desired: T): T {
  const { metadata = {}, ...rest } = desired;
  const annotations = without(metadata.annotations ?? {}, appliedAnnotation);
  const bare = { ...rest, metadata: { ...metadata, annotations } };
  const digest = createHash('sha256').update(canonical(bare)).digest('hex').slice(0, 32);
  return { ...desired, metadata: { ...metadata, annotations: { ...annotations, [appliedAnnotation]: digest } } };
}

/**
 * What each live object was last found to be the applied form of, as text. Live objects are replaced, never changed in place, so the answer
 * stays; without it every look at thousands of unchanged objects would make all their digests anew.
 */
const knownApplied = new WeakMap<ApiObject, string>();

/** True when `live` already is what applying `desired` would make of it: same digest, and nobody changed a desired field since. */
export function isApplied(desired: ApiObject, live: ApiObject): boolean {
  const text = textOf(desired);
  const known = knownApplied.get(live);
  if (known === text) {
    // One text for both, not two that are equal.
    knownTexts.set(desired, known);
    return true;
  }
  const applied = compare(desired, live);
  if (applied) knownApplied.set(live, text);
  return applied;
}

/** What is desired is asked about more than once, before a batch and with every batch that follows, and is never changed in place either. */
const knownTexts = new WeakMap<ApiObject, string>();

function textOf(desired: ApiObject): string {
  const text = knownTexts.get(desired) ?? JSON.stringify(desired);
  knownTexts.set(desired, text);
  return text;
}

function compare(desired: ApiObject, live: ApiObject): boolean {
  const stamped = withAppliedDigest(desired);
  const wanted = stamped.metadata?.annotations?.[appliedAnnotation];
  if (live.metadata?.annotations?.[appliedAnnotation] !== wanted) return false;
  return contains(live, without(stamped, 'apiVersion'));
}

function without<T extends object, K extends keyof T>(object: T, field: K): Omit<T, K> {
  const copy = { ...object };
  delete copy[field];
  return copy;
}

/** Every field of `part` stands in `whole` with that value; maps may hold more, lists have the same length and order. */
export function contains(whole: unknown, part: unknown): boolean {
  if (part === undefined) return true;
  if (Array.isArray(part)) {
    return (
      Array.isArray(whole) &&
      whole.length === part.length &&
      part.every((item, index) => contains((whole as unknown[])[index], item))
    );
  }
  if (typeof part !== 'object' || part === null) return whole === part || (part === null && whole === undefined);
  const fields = Object.entries(part);
  // The API server drops empty maps of many kinds: an absent one is as good.
  if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) {
    return whole === undefined && fields.every(([, value]) => contains(undefined, value));
  }
  return fields.every(([name, value]) => contains((whole as Record<string, unknown>)[name], value));
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (isFields(inner) ? sortedRecord(inner) : inner));
}

export interface ApplyRequest<T extends ApiObject> {
  readonly client: KubeClient;
  readonly desired: T;
  /** What the informer (or a GET) shows of it now. */
  readonly live: ApiObject | undefined;
  readonly fieldManager: string;
  readonly signal?: AbortSignal | undefined;
}

/** Server-side apply of one object, skipped when it already is as desired. Returns whether something was written. */
export async function applyIfChanged<T extends ApiObject>(request: ApplyRequest<T>): Promise<boolean> {
  const { client, desired, live, fieldManager, signal } = request;
  if (live !== undefined && isApplied(desired, live)) return false;
  await client.apply(withAppliedDigest(desired), { fieldManager, signal });
  return true;
}

export interface ApplyAndPruneRequest {
  readonly client: KubeClient;
  readonly desired: readonly ApiObject[];
  /** Everything that carries our owner label now, of all kinds; what is here and not desired is deleted. */
  readonly owned: readonly ApiObject[];
  readonly fieldManager: string;
  readonly signal?: AbortSignal | undefined;
  /** Says what would be done, does nothing. */
  readonly plan?: boolean;
}

/** Paths of the objects that were written, deleted, or left alone. */
export interface ApplyOutcome {
  readonly applied: readonly string[];
  readonly pruned: readonly string[];
  readonly unchanged: readonly string[];
}

/** Some writes failed; the others were done. The message names each object and why. */
export class ApplyFailedError extends Error {
  override readonly name = 'ApplyFailedError';

  constructor(
    readonly failures: readonly Error[],
    readonly outcome: ApplyOutcome,
  ) {
    super(`${failures.length} of the writes failed: ${failures.map((failure) => failure.message).join('; ')}`, {
      cause: failures[0],
    });
  }
}

/** Makes the owned objects equal to the desired ones: applies differences, then prunes. One failing object does not stop the others. */
export async function applyAndPrune(request: ApplyAndPruneRequest): Promise<ApplyOutcome> {
  const { client, desired, owned, fieldManager, signal, plan = false } = request;
  const live = new Map(owned.map((object) => [objectIdentity(object), object]));
  const wanted = new Set(desired.map(objectIdentity));
  const changed = desired.filter((object) => !standsAs(object, live.get(objectIdentity(object))));
  const superfluous = owned.filter((object) => !wanted.has(objectIdentity(object)) && !isGoing(object));
  const outcome = { applied: [] as string[], pruned: [] as string[], unchanged: unchangedPaths(desired, changed) };
  const failures: Error[] = [];
  await forEachBounded(changed, failures, async (object) => {
    if (!plan) await client.apply(withAppliedDigest(object), { fieldManager, signal });
    outcome.applied.push(pathOfObject(object));
  });
  await forEachBounded(superfluous, failures, async (object) => {
    if (!plan) await client.delete(pathOfObject(object), { uid: object.metadata?.uid, signal });
    outcome.pruned.push(pathOfObject(object));
  });
  outcome.applied.sort();
  outcome.pruned.sort();
  if (failures.length > 0) throw new ApplyFailedError(failures, outcome);
  return outcome;
}

/** True when the live object, if there is one, is as desired and not being deleted. */
export function standsAs(desired: ApiObject, live: ApiObject | undefined): boolean {
  return live !== undefined && !isGoing(live) && isApplied(desired, live);
}

/** True while it is being deleted. */
export function isGoing(object: ApiObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined;
}

function unchangedPaths(desired: readonly ApiObject[], changed: readonly ApiObject[]): string[] {
  const writes = new Set(changed);
  return desired.filter((object) => !writes.has(object)).map((object) => pathOfObject(object));
}

/** Does the work for every item, a few at a time; failures are collected and stop nothing. */
export async function forEachBounded<T>(
  items: readonly T[],
  failures: Error[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) {
      try {
        await work(item);
      } catch (error) {
        failures.push(asError(error));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(writesAtOnce, items.length) }, lane));
}
