import type { Secret } from '#istio-api';
import { applyIfChanged, pathFor, resources } from '#kube';
import type { ApiObject, Informer, KubeClient } from '#kube';
import { kindWord, labels, names, peerKey, peerMemorySecretName } from '#model';
import type { PeerRef } from '#model';
import { parsePeerMemory } from '#trust';
import type { PeerMemory } from '#trust';
import { secretsFor, textOf } from './shards.js';

/** A contact that only moves times is written this often; anything else at once. */
const timesEveryMs = 60_000;

export interface MemoriesPorts {
  readonly client: KubeClient;
  readonly secrets: Informer<Secret & ApiObject>;
  readonly namespace: string;
  readonly onUnreadable: (peer: PeerRef, error: unknown) => void;
}

/** What is remembered of peers: in memory for the leader's loops, in Secrets `isthmus-peer-*` over restarts. */
export class Memories {
  readonly #ports: MemoriesPorts;
  readonly #known = new Map<string, PeerMemory>();
  readonly #written = new Map<string, PeerMemory>();

  constructor(ports: MemoriesPorts) {
    this.#ports = ports;
  }

  get(peer: PeerRef): PeerMemory | undefined {
    const key = peerKey(peer);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const stored = this.#read(peer);
    if (stored !== undefined) {
      this.#known.set(key, stored);
      this.#written.set(key, stored);
    }
    return stored;
  }

  /** Remembers at once; writes the Secret when more than times changed. */
  async remember(peer: PeerRef, memory: PeerMemory, signal: AbortSignal): Promise<void> {
    const key = peerKey(peer);
    this.#known.set(key, memory);
    const before = this.#written.get(key);
    if (before !== undefined && !worthWriting(before, memory)) return;
    const order = secretsFor({
      namespace: this.#ports.namespace,
      nameOf: (shard) => peerMemorySecretName(peer, shard),
      text: JSON.stringify(memory),
      labels: { [labels.peerMemory]: 'true', [labels.peerKind]: kindWord(peer.kind), [labels.peerName]: peer.name },
      annotations: {},
    });
    for (const desired of order) {
      const live = this.#ports.secrets.get(this.#ports.namespace, desired.metadata?.name ?? '');
      await applyIfChanged({
        client: this.#ports.client,
        desired: desired as ApiObject,
        live,
        fieldManager: names.fieldManager,
        signal,
      });
    }
    await this.#deleteShards(peer, order.length);
    this.#written.set(key, memory);
  }

  /** Forgets a peer whose resource is gone. */
  async forget(peer: PeerRef): Promise<void> {
    this.#known.delete(peerKey(peer));
    this.#written.delete(peerKey(peer));
    await this.#deleteShards(peer, 0);
  }

  /** The next leader starts from the Secrets. */
  clear(): void {
    this.#known.clear();
    this.#written.clear();
  }

  #read(peer: PeerRef): PeerMemory | undefined {
    try {
      const text = textOf((shard) => this.#ports.secrets.get(this.#ports.namespace, peerMemorySecretName(peer, shard)));
      return text === undefined ? undefined : parsePeerMemory(text);
    } catch (error) {
      this.#ports.onUnreadable(peer, error);
      return undefined;
    }
  }

  async #deleteShards(peer: PeerRef, from: number): Promise<void> {
    for (let shard = from; shard < from + 64; shard += 1) {
      const name = peerMemorySecretName(peer, shard);
      if (this.#ports.secrets.get(this.#ports.namespace, name) === undefined) return;
      await this.#ports.client.delete(pathFor(resources.secrets, { namespace: this.#ports.namespace, name }));
    }
  }
}

function worthWriting(before: PeerMemory, after: PeerMemory): boolean {
  if (before === after) return false;
  const timeless = (memory: PeerMemory): string =>
    JSON.stringify({
      facts: memory.facts,
      public: memory.publicDocument.digest,
      private: memory.privateDocument?.digest,
    });
  const moved = Math.max(
    after.publicDocument.fetchedAt - before.publicDocument.fetchedAt,
    (after.privateDocument?.fetchedAt ?? 0) - (before.privateDocument?.fetchedAt ?? 0),
  );
  return moved >= timesEveryMs || timeless(before) !== timeless(after);
}
