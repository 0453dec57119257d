import { gunzipSync } from 'node:zlib';
import type { Secret } from '#istio-api';
import { annotations, documentSecretName } from '#model';
import type { TrustedPeer } from '#model';
import { servedDocument } from './served-document.js';
import type { ServedDocument } from './served-document.js';

const dataKey = 'document.gz';
const mostShards = 64;
const mostBytes = 64 * 1024 * 1024;

/** Finds a Secret of the peers' namespace by name. */
export type SecretFinder = (name: string) => Secret | undefined;

interface Assembled {
  readonly versions: string;
  readonly peerUUID: string | undefined;
  readonly document: ServedDocument;
}

/**
 * The private documents as the leader wrote them. A document is put together again only when one of its Secrets changed; while its
 * shards do not fit together (one is being written), the last whole one is served.
 */
export class PrivateDocuments {
  readonly #find: SecretFinder;
  readonly #assembled = new Map<string, Assembled>();

  constructor(find: SecretFinder) {
    this.#find = find;
  }

  /** What was made for exactly this cluster, or undefined: a document made for another UUID of that name is not shown. */
  documentFor(peer: TrustedPeer): ServedDocument | undefined {
    const name = documentSecretName(peer);
    const shards = this.#shardsOf(peer);
    if (shards === undefined) {
      if (this.#find(name) === undefined) this.#assembled.delete(name);
      return this.#lastFor(name, peer);
    }
    const versions = shards.map((shard) => `${shard.metadata?.uid}@${shard.metadata?.resourceVersion}`).join(',');
    if (this.#assembled.get(name)?.versions !== versions) this.#assemble(name, versions, shards);
    return this.#lastFor(name, peer);
  }

  #lastFor(name: string, peer: TrustedPeer): ServedDocument | undefined {
    const last = this.#assembled.get(name);
    return last?.peerUUID === peer.clusterUUID ? last.document : undefined;
  }

  #shardsOf(peer: TrustedPeer): readonly Secret[] | undefined {
    const count = Number(this.#find(documentSecretName(peer))?.metadata?.annotations?.[annotations.shards] ?? 1);
    if (!Number.isInteger(count) || count < 1 || count > mostShards) return undefined;
    const shards = Array.from({ length: count }, (_unused, shard) => this.#find(documentSecretName(peer, shard)));
    const whole = shards.filter((shard): shard is Secret => shard !== undefined);
    const sequences = new Set(whole.map((shard) => shard.metadata?.annotations?.[annotations.sequence]));
    return whole.length === count && sequences.size === 1 ? whole : undefined;
  }

  #assemble(name: string, versions: string, shards: readonly Secret[]): void {
    try {
      const packed = Buffer.concat(shards.map((shard) => Buffer.from(shard.data?.[dataKey] ?? '', 'base64')));
      const body = gunzipSync(packed, { maxOutputLength: mostBytes });
      const { [annotations.peerUUID]: peerUUID, [annotations.sequence]: seq = '' } =
        shards[0]?.metadata?.annotations ?? {};
      this.#assembled.set(name, { versions, peerUUID, document: servedDocument(body, seq) });
    } catch {
      // Shards of two generations: their common checksum does not hold. The next change brings them together.
    }
  }
}
