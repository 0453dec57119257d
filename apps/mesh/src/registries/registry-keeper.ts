import { ForbiddenError, type KubeClient, type KubeLogger } from '#kube';
import type { Clock } from '#model';
import type { RegistryObjects } from './cluster-informers.js';
import { digestOf, indexName, keptLimits, registryText, sameOwner } from './kept-registry.js';
import type { KeptRegistry, RegistryOwner } from './kept-registry.js';
import { isIndexKind, KeptStore, type LiveIndex } from './kept-store.js';

/** What was read of a cluster as a whole, and whether it is silent now. */
export interface WholeRegistry {
  readonly objects: RegistryObjects;
  readonly lastContact: number;
  readonly silent: boolean;
}

/** One cluster that is followed; `whole` once all of it has been read. */
export interface FollowedRegistry {
  readonly owner: RegistryOwner;
  readonly whole?: WholeRegistry;
}

export interface RegistryKeeperOptions {
  /** Of our own cluster. */
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  readonly clock: Clock;
  readonly namespace: string;
  readonly followed: () => readonly FollowedRegistry[];
  /** What was kept has been loaded. */
  readonly onLoaded: () => void;
  /** What `fault` says has changed. */
  readonly onFault: () => void;
}

/** What this replica knows of the keeping of one cluster. */
interface Keeping {
  /** What was last looked at. */
  objects?: RegistryObjects;
  digest: string;
  owner?: RegistryOwner;
  /** Last sign of life that is written down, Unix milliseconds. */
  lastContact: number;
  /** Objects are not looked at again before, Unix milliseconds. */
  nextAt: number;
  fault?: string;
}

const loadMs = 5_000;
const retryMs = 500;
const lookEveryMs = 2_000;
/** Objects are written not more often than this, times the parts that they take. */
const gapMs = 30_000;
/** A sign of life of a cluster whose objects stay as they are is written this often, the last one before it fell silent at once. */
const contactMs = 60_000;
const sweepEveryMs = 3_600_000;
const orphanMs = 600_000;

/** Keeps what was last read of every remote cluster, so that it outlives this process: what is written when, and what is shown of it. */
export class RegistryKeeper {
  readonly #options: RegistryKeeperOptions;
  readonly #store: KeptStore;
  readonly #loaded = new Map<string, KeptRegistry>();
  readonly #keeping = new Map<string, Keeping>();
  #signal: AbortSignal | undefined;
  #looking = false;
  #again = false;
  #sweepAt = 0;

  constructor(options: RegistryKeeperOptions) {
    this.#options = options;
    this.#store = new KeptStore(options.client, options.namespace);
  }

  /** Reads all that was kept. Settles when that is done, or has taken too long: then it goes on beside. */
  async load(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#load(signal), after(loadMs)]);
  }

  /** What was kept, as long as its cluster has not been read again. */
  find(owner: RegistryOwner): KeptRegistry | undefined {
    const kept = this.#loaded.get(owner.clusterID);
    return kept !== undefined && sameOwner(kept.owner, owner) ? kept : undefined;
  }

  /** Why nothing, or nothing new, is kept of a cluster. */
  fault(clusterID: string): string | undefined {
    return this.#keeping.get(clusterID)?.fault;
  }

  start(signal: AbortSignal): void {
    this.#signal = signal;
    const timer = setInterval(() => this.look(), lookEveryMs).unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    this.look();
  }

  /** Looks at once for what is to be written or removed. */
  look(): void {
    this.#again = true;
    if (this.#looking) return;
    this.#looking = true;
    void this.#rounds().finally(() => (this.#looking = false));
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { logger, onLoaded } = this.#options;
    for (let told = false; !signal.aborted; told = true) {
      try {
        const all = await this.#store.list();
        const indexes = all.filter(isIndexKind);
        await Promise.all(indexes.map(({ metadata }) => this.#loadOne(metadata?.name ?? '')));
        onLoaded();
        return;
      } catch (error) {
        if (!told) logger.error({ err: error }, 'what was kept of remote clusters cannot be read');
        if (error instanceof ForbiddenError) return;
        await after(retryMs);
      }
    }
  }

  async #loadOne(name: string): Promise<void> {
    const { logger, namespace } = this.#options;
    const kept = await this.#store.read(name);
    if (typeof kept === 'string') {
      const where = `ConfigMap ${namespace}/${name}`;
      logger.error({ where, fault: kept }, 'what was kept of a remote cluster is damaged: not used, and written anew');
      // Whoever finds an index of the right digest writes nothing.
      await this.#store.remove(name).catch(() => undefined);
    } else if (kept !== undefined) {
      const { owner, objects, lastContact } = kept;
      const counts = { services: objects.services.length, pods: objects.pods.length };
      const since = new Date(lastContact).toISOString();
      logger.info({ cluster: owner.clusterID, since, ...counts }, 'what was kept of a remote cluster is there');
      this.#loaded.set(owner.clusterID, kept);
    }
  }

  async #rounds(): Promise<void> {
    while (this.#again && this.#signal?.aborted === false) {
      this.#again = false;
      const followed = this.#options.followed();
      const wanted = new Set(followed.map(({ owner }) => owner.clusterID));
      for (const clusterID of this.#keeping.keys())
        if (!wanted.has(clusterID)) await this.#guarded(clusterID, () => this.#forget(clusterID));
      for (const { owner, whole } of followed) {
        const { clusterID } = owner;
        if (!this.#keeping.has(clusterID)) this.#keeping.set(clusterID, { digest: '', lastContact: 0, nextAt: 0 });
        if (whole === undefined) continue;
        this.#loaded.delete(clusterID);
        await this.#guarded(clusterID, (keeping) => this.#keep(keeping, owner, whole));
      }
      await this.#sweep();
    }
  }

  /** One cluster's trouble is told once, and is no other's. */
  async #guarded(clusterID: string, work: (keeping: Keeping) => Promise<void>): Promise<void> {
    const keeping = this.#keeping.get(clusterID);
    if (keeping === undefined) return;
    try {
      await work(keeping);
    } catch (error) {
      if (this.#signal?.aborted === true) return;
      delete keeping.objects;
      keeping.nextAt = Math.max(keeping.nextAt, this.#options.clock.now() + gapMs);
      this.#tell(clusterID, keeping, messageOf(error));
    }
  }

  #tell(clusterID: string, keeping: Keeping, fault: string | undefined): void {
    if (keeping.fault === fault) return;
    if (fault === undefined) delete keeping.fault;
    else {
      keeping.fault = fault;
      this.#options.logger.warn({ cluster: clusterID, fault }, 'what is read of a remote cluster cannot be kept');
    }
    this.#options.onFault();
  }

  async #forget(clusterID: string): Promise<void> {
    this.#loaded.delete(clusterID);
    await this.#store.remove(indexName(clusterID));
    this.#keeping.delete(clusterID);
  }

  async #keep(keeping: Keeping, owner: RegistryOwner, whole: WholeRegistry): Promise<void> {
    const now = this.#options.clock.now();
    const isOther = keeping.owner === undefined || !sameOwner(keeping.owner, owner);
    const isChanged = isOther || (keeping.objects !== whole.objects && now >= keeping.nextAt);
    if (!isChanged && !isLater(keeping.lastContact, whole)) return;
    const text = isChanged ? registryText(whole.objects) : undefined;
    if (text !== undefined) {
      Object.assign(keeping, { owner, objects: whole.objects, digest: digestOf(text), nextAt: now + gapMs });
    }
    const live = await this.#store.index(owner.clusterID);
    const isKept = live?.index?.digest === keeping.digest && sameOwner(live.index.owner, owner);
    if (isKept) {
      await this.#touch(keeping, live, whole);
      this.#tell(owner.clusterID, keeping, undefined);
    } else if (text !== undefined) await this.#write(keeping, live, whole, text);
    // Somebody else wrote or removed it: compared with what there is now in the next round.
    else lookAnew(keeping);
  }

  async #touch(keeping: Keeping, live: LiveIndex, { lastContact, silent }: WholeRegistry): Promise<void> {
    const { index } = live;
    if (index === undefined) return;
    keeping.lastContact = index.lastContact;
    if (!isLater(index.lastContact, { lastContact, silent })) return;
    if (await this.#store.point(live, { ...index, lastContact })) keeping.lastContact = lastContact;
  }

  async #write(
    keeping: Keeping,
    live: LiveIndex | undefined,
    { lastContact }: WholeRegistry,
    text: string,
  ): Promise<void> {
    const { owner, digest } = keeping;
    if (owner === undefined) return;
    const isWanted = (): boolean => this.#options.followed().some((each) => sameOwner(each.owner, owner));
    const tooLong = Buffer.byteLength(text) > keptLimits.textBytes;
    const written = tooLong
      ? `its registry takes more than ${keptLimits.textBytes} bytes as text`
      : await this.#store.write(live, { owner, digest, lastContact }, text, isWanted);
    if (written === undefined) lookAnew(keeping);
    else if (typeof written === 'string') {
      await this.#store.remove(indexName(owner.clusterID));
      this.#tell(owner.clusterID, keeping, written);
    } else {
      keeping.lastContact = lastContact;
      keeping.nextAt += gapMs * (written.parts - 1);
      this.#tell(owner.clusterID, keeping, undefined);
    }
  }

  /** Once in an hour: what is left of writes that were cut short, and of clusters whose Secret went while nobody looked. */
  async #sweep(): Promise<void> {
    const { clock, logger, followed } = this.#options;
    const now = clock.now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + sweepEveryMs;
    const owners = followed().map(({ owner }) => owner);
    try {
      await this.#store.sweep(({ owner }) => owners.some((each) => sameOwner(each, owner)), now - orphanMs);
    } catch (error) {
      this.#sweepAt = now + contactMs;
      logger.warn({ err: error }, 'what was kept of remote clusters that are gone cannot be removed; tried again');
    }
  }
}

/** True when a sign of life is worth writing down, `told` being the last one that is. */
function isLater(told: number, { lastContact, silent }: Pick<WholeRegistry, 'lastContact' | 'silent'>): boolean {
  return silent ? lastContact > told : lastContact - told >= contactMs;
}

function lookAnew(keeping: Keeping): void {
  delete keeping.objects;
  keeping.nextAt = 0;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 300);
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
