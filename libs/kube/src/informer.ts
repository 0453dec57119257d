import { compareText } from '#model';
import type { KubeClient, Query } from './client.js';
import { GoneError, InvalidError, kubeErrorFrom, NotFoundError, objectFrom } from './errors.js';
import type { KubeLogger } from './logger.js';
import { keyOf, objectKey } from './object.js';
import type { ApiObject } from './object.js';
import { readPages } from './pages.js';
import type { ListBody } from './pages.js';
import { Backoff, pause } from './pause.js';
import { pathFor } from './resource.js';
import type { ResourcePath } from './resource.js';
import { watch, WatchStalledError } from './watch-stream.js';
import type { WatchEvent } from './watch-stream.js';

const pageSize = 500;
/** API servers send a bookmark about once a minute: longer silence means a dead connection. */
const defaultStallMs = 90_000;
const firstRetryMs = 50;
const retryCapMs = 3_000;
/** How often an absent resource (CRD not installed) is asked for again. */
const absentRetryMs = 1_000;
/** A resource that was there must answer 404 this often in a row before its objects count as gone. */
const absentAnswersNeeded = 5;
const initialEventsEnd = 'k8s.io/initial-events-end';

export type ChangeListener<T> = (key: string, current: T | undefined, previous: T | undefined) => void;

export interface InformerOptions<T> {
  readonly client: KubeClient;
  readonly resource: ResourcePath;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Keeps only what is needed of each object; `metadata.managedFields` is dropped before. */
  readonly transform?: (object: T) => T;
  readonly logger: KubeLogger;
  readonly random?: () => number;
  readonly stallMs?: number;
  /**
   * False for resources that every API server has: a 404 is then somebody in between who does not know us (yet), and never means
   * that the objects are gone. Default true: the resource may be a CRD that is not installed.
   */
  readonly mayBeAbsent?: boolean;
  /** Told of every sign of life and of every failure. */
  readonly observer?: InformerObserver;
}

export interface InformerObserver {
  /** The API server said something about this collection. */
  heard(): void;
  /** A watch was taken; on a quiet collection nothing may be heard on it for a minute. */
  opened(): void;
  /** The whole collection has been read (anew); listeners have heard what is different. */
  listed(): void;
  failed(error: unknown): void;
}

/** What an informer has been through, for metrics. */
export interface InformerStats {
  readonly objects: number;
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  readonly failures: number;
}

/**
 * A local, always converging copy of one collection. Survives cut connections, expired versions (410), refused credentials and
 * absent CRDs; while the API server is away the last known objects stay. Listeners hear each change once, after it is in the copy.
 */
export class Informer<T extends ApiObject> {
  /** Settles when the copy is complete for the first time (an absent resource counts as empty); rejects when stopped before. */
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #path: string;
  readonly #backoff: Backoff;
  readonly #listeners = new Set<ChangeListener<T>>();
  readonly #stats = { lists: 0, watches: 0, events: 0, failures: 0 };
  #objects = new Map<string, T>();
  #sorted: readonly T[] | undefined;
  #version: string | undefined;
  #watchList = true;
  #absentAnswers = 0;
  #isSynced = false;
  #started = false;
  #markSynced: () => void = () => undefined;
  #failSync: (error: Error) => void = () => undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#path = pathFor(options.resource, { namespace: options.namespace });
    this.#backoff = new Backoff(firstRetryMs, retryCapMs, options.random);
    this.synced = new Promise((resolve, reject) => {
      this.#markSynced = resolve;
      this.#failSync = reject;
    });
    this.synced.catch(() => undefined);
  }

  /** Runs until the signal is aborted; a second call does nothing. */
  start(signal: AbortSignal): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run(signal);
  }

  get hasSynced(): boolean {
    return this.#isSynced;
  }

  /** True while the API server does not know the resource (CRD not installed). Prune nothing on such an emptiness. */
  get absent(): boolean {
    return this.#absentAnswers > 0;
  }

  /** True while the copy is being read anew: what is shown is the old one, whole, until the new one is. */
  get relisting(): boolean {
    return this.#isSynced && this.#version === undefined;
  }

  get stats(): InformerStats {
    return { ...this.#stats, objects: this.#objects.size };
  }

  /** All objects, sorted by key. */
  list(): readonly T[] {
    this.#sorted ??= [...this.#objects].sort(([a], [b]) => compareText(a, b)).map(([, object]) => object);
    return this.#sorted;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  /** Adds a listener; what is known already is not told again. Returns the function that removes it. */
  onChange(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) break;
        await this.#recover(error, signal).catch(() => undefined);
      }
    }
    this.#failSync(new Error(`informer of ${this.#path} was stopped before it had synced`));
  }

  /** One watch from the last known version, or from nothing. */
  async #follow(signal: AbortSignal): Promise<void> {
    if (this.#version === undefined && !this.#watchList) await this.#relist(signal);
    const initial = this.#version === undefined ? new Map<string, T>() : undefined;
    const { client, labelSelector, fieldSelector, stallMs = defaultStallMs, random = Math.random } = this.#options;
    const start: Query =
      initial === undefined
        ? { resourceVersion: this.#version }
        : { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' };
    const query = { ...start, labelSelector, fieldSelector, timeoutSeconds: Math.round(290 + 300 * random()) };
    this.#stats.watches += 1;
    let pending = initial;
    let heard = false;
    const onOpen = (): void => this.#options.observer?.opened();
    await watch<T>({ client, path: this.#path, query, signal, stallMs, onOpen }, (event) => {
      this.#backoff.reset();
      heard = true;
      this.#options.observer?.heard();
      pending = this.#take(event, pending);
    });
    if (pending !== undefined) throw new Error(`GET ${this.#path}: the watch ended before its initial events did`);
    // A server that hangs up at once, in good order, is not asked again in a tight loop.
    if (!heard) await pause(this.#backoff.next(), signal);
  }

  /** Takes one event; `pending` collects the initial objects of a WatchList until its closing bookmark. */
  #take(event: WatchEvent<T>, pending: Map<string, T> | undefined): Map<string, T> | undefined {
    if (event.type === 'BOOKMARK') return this.#bookmark(event.object, pending);
    this.#stats.events += 1;
    const object = this.#reduced(event.object);
    const gone = event.type === 'DELETED';
    if (pending !== undefined) {
      if (gone) pending.delete(objectKey(object));
      else pending.set(objectKey(object), object);
      return pending;
    }
    this.#version = object.metadata?.resourceVersion;
    this.#set(objectKey(object), gone ? undefined : object, object);
    return undefined;
  }

  #bookmark({ metadata = {} }: ApiObject, pending: Map<string, T> | undefined): Map<string, T> | undefined {
    const { resourceVersion, annotations } = metadata;
    if (pending === undefined) this.#version = resourceVersion;
    if (pending === undefined || annotations?.[initialEventsEnd] !== 'true') return pending;
    this.#replace(pending);
    this.#version = resourceVersion;
    this.#options.observer?.listed();
    return undefined;
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, labelSelector, fieldSelector } = this.#options;
    const read = async (query: Query): Promise<ListBody<T>> => {
      const response = await client.request({ method: 'GET', path: this.#path, query, signal, timeoutMs: 60_000 });
      const { status, body } = response;
      if (status !== 200) throw kubeErrorFrom(status, body, { method: 'GET', path: this.#path });
      const page = objectFrom<ListBody<T>>(body, { method: 'GET', path: this.#path });
      this.#options.observer?.heard();
      return page;
    };
    const { items, resourceVersion } = await readPages<T>(read, { labelSelector, fieldSelector }, pageSize);
    this.#replace(new Map(items.map((item) => [objectKey(item), this.#reduced(item)])));
    this.#version = resourceVersion;
    this.#options.observer?.listed();
  }

  #replace(next: Map<string, T>): void {
    const before = this.#objects;
    this.#stats.lists += 1;
    this.#absentAnswers = 0;
    this.#objects = next;
    this.#sorted = undefined;
    for (const [key, object] of next) {
      const previous = before.get(key);
      if (previous === undefined || !sameVersion(previous, object)) this.#tell(key, object, previous);
    }
    for (const [key, previous] of before) if (!next.has(key)) this.#tell(key, undefined, previous);
    this.#isSynced = true;
    this.#markSynced();
  }

  #set(key: string, object: T | undefined, last: T): void {
    const previous = this.#objects.get(key);
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#sorted = undefined;
    this.#tell(key, object, previous ?? (object === undefined ? last : undefined));
  }

  #tell(key: string, current: T | undefined, previous: T | undefined): void {
    for (const listener of this.#listeners) {
      try {
        listener(key, current, previous);
      } catch (error) {
        this.#options.logger.error({ err: error, resource: this.#path, key }, 'listener of an informer failed');
      }
    }
  }

  #reduced(object: T): T {
    // Freshly parsed and ours alone, so the biggest field of most objects may go in place.
    if (object.metadata !== undefined) delete (object.metadata as { managedFields?: unknown }).managedFields;
    return this.#options.transform?.(object) ?? object;
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const wasInitial = this.#version === undefined;
    if (error instanceof WatchStalledError && !wasInitial) return;
    if (error instanceof GoneError) this.#version = undefined;
    if (error instanceof GoneError && !wasInitial) return;
    if (wasInitial && this.#watchList && refusesWatchList(error)) {
      this.#watchList = false;
      this.#options.logger.info({ resource: this.#path }, 'API server has no WatchList: listing page by page');
      return;
    }
    this.#options.observer?.failed(error);
    if (error instanceof NotFoundError && this.#options.mayBeAbsent !== false) {
      this.#noteAbsent();
      await pause(absentRetryMs, signal);
      return;
    }
    this.#stats.failures += 1;
    const delay = this.#backoff.next();
    this.#options.logger.warn({ err: error, resource: this.#path, retryInMs: Math.round(delay) }, 'watch failed');
    await pause(delay, signal);
  }

  #noteAbsent(): void {
    this.#absentAnswers += 1;
    this.#version = undefined;
    if (!this.#isSynced || this.#absentAnswers === absentAnswersNeeded) {
      const answers = this.#absentAnswers;
      this.#replace(new Map());
      this.#absentAnswers = answers;
      this.#options.logger.info(
        { resource: this.#path },
        'resource is not installed: treated as empty, asked for again',
      );
    }
  }
}

function sameVersion(a: ApiObject, b: ApiObject): boolean {
  return a.metadata?.uid === b.metadata?.uid && a.metadata?.resourceVersion === b.metadata?.resourceVersion;
}

/** Servers without the feature say 400/422; very old ones ignore the parameter and never send the closing bookmark. */
function refusesWatchList(error: unknown): boolean {
  return error instanceof InvalidError || error instanceof WatchStalledError;
}

/** Starts all and waits until each has its first complete copy. */
export async function startAndSync(
  informers: readonly Pick<Informer<ApiObject>, 'start' | 'synced'>[],
  signal: AbortSignal,
): Promise<void> {
  for (const informer of informers) informer.start(signal);
  await Promise.all(informers.map((informer) => informer.synced));
}
