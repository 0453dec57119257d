import type { Secret } from '#istio-api';
import { applyIfChanged, pathFor, resources } from '#kube';
import type { ApiObject, Informer, KubeClient } from '#kube';
import { kindWord, labels, names, peerKey, peerMemorySecretName, peerMemoryShardName } from '#model';
import type { PeerRef } from '#model';
import { parsePeerMemory } from '#trust';
import type { PeerMemory } from '#trust';
import { secretsFor, textOf } from './shards.js';

/** A contact that only moves times is written this often; anything else at once. */
const timesEveryMs = 60_000;
/** So much of a text's digest names its generation. */
const generationLength = 16;

export interface MemoriesPorts {
  readonly client: Pick<KubeClient, 'apply' | 'delete'>;
  readonly secrets: Pick<Informer<Secret & ApiObject>, 'get' | 'list'>;
  readonly namespace: string;
  /** Told once for each way in which a memory is found unreadable. */
  readonly onUnreadable: (peer: PeerRef, message: string) => void;
}

type Stored =
  | { readonly kind: 'none' }
  | { readonly kind: 'readable'; readonly memory: PeerMemory }
  | { readonly kind: 'unreadable'; readonly message: string };

/**
 * What is remembered of peers: in memory for the leader's loops, in Secrets `isthmus-peer-*` over restarts. A new generation of shards is written
 * under names of its own; the first Secret, written last, points to it: whoever reads finds the old text or the new, whole.
 */
export class Memories {
  readonly #ports: MemoriesPorts;
  readonly #known = new Map<string, PeerMemory>();
  readonly #written = new Map<string, PeerMemory>();
  readonly #told = new Map<string, string>();

  constructor(ports: MemoriesPorts) {
    this.#ports = ports;
  }

  get(peer: PeerRef): PeerMemory | undefined {
    const key = peerKey(peer);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const stored = this.#read(peer);
    if (stored.kind !== 'readable') return undefined;
    this.#known.set(key, stored.memory);
    this.#written.set(key, stored.memory);
    return stored.memory;
  }

  /** Why what is stored of this peer cannot be read, with the remedy; undefined where it can, or where nothing is stored. */
  fault(peer: PeerRef): string | undefined {
    if (this.get(peer) !== undefined) return undefined;
    const stored = this.#read(peer);
    return stored.kind === 'unreadable' ? stored.message : undefined;
  }

  /** Remembers at once; writes the Secret when more than times changed. */
  async remember(peer: PeerRef, memory: PeerMemory, signal: AbortSignal): Promise<void> {
    const key = peerKey(peer);
    this.#known.set(key, memory);
    const before = this.#written.get(key);
    if (before !== undefined && !worthWriting(before, memory)) return;
    const [pointer, ...shards] = secretsFor({
      namespace: this.#ports.namespace,
      nameOf: (shard, digest) => secretName(peer, shard, digest),
      text: JSON.stringify(memory),
      labels: { [labels.peerMemory]: 'true', [labels.peerKind]: kindWord(peer.kind), [labels.peerName]: peer.name },
      annotations: {},
    });
    for (const desired of shards) await this.#apply(desired, signal);
    if (pointer !== undefined) await this.#apply(pointer, signal);
    this.#written.set(key, memory);
    const current = new Set([peerMemorySecretName(peer), ...shards.map(({ metadata }) => metadata?.name)]);
    await this.#delete(this.#namesOf(peer).filter((name) => !current.has(name)));
  }

  /** A Secret of this peer's is gone: answers whether `restore` has to write again what is known. */
  lost(peer: PeerRef): boolean {
    const key = peerKey(peer);
    // Of an older generation, which goes once the new one stands whole, nothing is missed.
    if (!this.#known.has(key) || this.#stands(peer)) return false;
    this.#written.delete(key);
    return true;
  }

  /** Writes what is known of a peer where its Secrets were lost, or where the last writing failed. */
  async restore(peer: PeerRef, signal: AbortSignal): Promise<void> {
    const memory = this.#known.get(peerKey(peer));
    if (memory !== undefined && !this.#written.has(peerKey(peer))) await this.remember(peer, memory, signal);
  }

  /** Forgets a peer whose resource is gone; the pointer goes first, so that no half of a memory is met again. */
  async forget(peer: PeerRef): Promise<void> {
    for (const map of [this.#known, this.#written, this.#told]) map.delete(peerKey(peer));
    const pointer = peerMemorySecretName(peer);
    await this.#delete([pointer, ...this.#namesOf(peer).filter((name) => name !== pointer)]);
  }

  #read(peer: PeerRef): Stored {
    const key = peerKey(peer);
    try {
      const text = this.#text(peer);
      this.#told.delete(key);
      return text === undefined ? { kind: 'none' } : { kind: 'readable', memory: parsePeerMemory(text) };
    } catch (error) {
      const message = unreadable(peer, this.#ports.namespace, error);
      if (this.#told.get(key) !== message) this.#ports.onUnreadable(peer, message);
      this.#told.set(key, message);
      return { kind: 'unreadable', message };
    }
  }

  #text(peer: PeerRef): string | undefined {
    return textOf((shard, digest) => this.#ports.secrets.get(this.#ports.namespace, secretName(peer, shard, digest)));
  }

  #stands(peer: PeerRef): boolean {
    try {
      return this.#text(peer) !== undefined;
    } catch {
      return false;
    }
  }

  async #apply(desired: Secret, signal: AbortSignal): Promise<void> {
    const { client, secrets, namespace } = this.#ports;
    await applyIfChanged({
      client: client as KubeClient,
      desired: desired as ApiObject,
      live: secrets.get(namespace, desired.metadata?.name ?? ''),
      fieldManager: names.fieldManager,
      signal,
    });
  }

  /** Every Secret that holds anything of this peer's memory, of whatever generation. */
  #namesOf(peer: PeerRef): readonly string[] {
    return this.#ports.secrets.list().flatMap(({ metadata }) => {
      const { [labels.peerMemory]: memory, [labels.peerKind]: kind, [labels.peerName]: name } = metadata?.labels ?? {};
      const mine = memory === 'true' && kind === kindWord(peer.kind) && name === peer.name;
      return mine && metadata?.name !== undefined ? [metadata.name] : [];
    });
  }

  async #delete(secretNames: readonly string[]): Promise<void> {
    for (const name of secretNames)
      await this.#ports.client.delete(pathFor(resources.secrets, { namespace: this.#ports.namespace, name }));
  }
}

/** Whose memory a Secret is part of, by its labels. */
export function rememberedPeer(secret: ApiObject | undefined): PeerRef | undefined {
  const {
    [labels.peerMemory]: memory,
    [labels.peerKind]: word,
    [labels.peerName]: name,
  } = secret?.metadata?.labels ?? {};
  const kinds = ['IstioFederation', 'IstioMulticluster'] as const;
  const kind = kinds.find((each) => kindWord(each) === word);
  return memory === 'true' && kind !== undefined && name !== undefined ? { kind, name } : undefined;
}

function secretName(peer: PeerRef, shard: number, digest: string): string {
  if (shard === 0) return peerMemorySecretName(peer);
  return peerMemoryShardName(peer, digest.slice(0, generationLength), shard);
}

function unreadable(peer: PeerRef, namespace: string, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  return `what was stored of this peer cannot be read (${why}): what stands of it is held and nothing new is taken. Restore Secret ${namespace}/${peerMemorySecretName(peer)} and its shards from a backup, or delete that Secret to meet the peer anew: continuity then starts over, so set spec.pins first`;
}

function worthWriting(before: PeerMemory, after: PeerMemory): boolean {
  if (before === after) return false;
  const timeless = (memory: PeerMemory): string =>
    JSON.stringify({
      facts: memory.facts,
      firstContact: memory.firstContact,
      pinnedBy: memory.pinnedBy,
      public: memory.publicDocument.digest,
      private: memory.privateDocument?.digest,
    });
  const moved = Math.max(
    after.publicDocument.fetchedAt - before.publicDocument.fetchedAt,
    (after.privateDocument?.fetchedAt ?? 0) - (before.privateDocument?.fetchedAt ?? 0),
  );
  return moved >= timesEveryMs || timeless(before) !== timeless(after);
}
