import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { ConfigMap } from '#istio-api';
import { ConflictError, kubeErrorFrom, NotFoundError, pathFor, resources, type KubeClient } from '#kube';
import { labels } from '#model';
import {
  digestOf,
  indexConfigMap,
  indexIn,
  indexName,
  keptLimits,
  packedIn,
  partConfigMap,
  partNames,
  partsOf,
  registryIn,
  type KeptIndex,
  type KeptRegistry,
} from './kept-registry.js';

/** An index as it stands; `index` is absent where it cannot be read. */
export interface LiveIndex {
  readonly resourceVersion: string;
  readonly index?: KeptIndex;
}

/** ConfigMaps of ours without what is in them. */
export type Listed = Pick<ConfigMap, 'metadata'>;

const mergePatch = 'application/merge-patch+json';
const metadataOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const readTries = 3;
const compress = promisify(gzip);
const decompress = promisify(gunzip);

/**
 * ConfigMaps that hold what was read of remote clusters. The parts of each write have names of their own; the index, written last and guarded
 * by its version, names them: whoever reads finds the old whole or the new one, and of two who write one is overtaken.
 */
export class KeptStore {
  readonly #client: KubeClient;
  readonly #namespace: string;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async list(): Promise<readonly Listed[]> {
    const path = pathFor(resources.configMaps, { namespace: this.#namespace });
    const query = { labelSelector: labels.keptRegistry };
    const { status, body } = await this.#client.request({
      method: 'GET',
      path,
      query,
      headers: { accept: metadataOnly },
    });
    if (status !== 200) throw kubeErrorFrom(status, body, { method: 'GET', path });
    return (JSON.parse(body) as { items?: readonly Listed[] }).items ?? [];
  }

  async index(clusterID: string): Promise<LiveIndex | undefined> {
    const live = await this.#get(indexName(clusterID));
    return live === undefined ? undefined : liveIndex(live);
  }

  /** What an index names, as text what is wrong with it; undefined when it is gone. */
  async read(name: string): Promise<KeptRegistry | string | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const live = await this.#get(name);
      if (live === undefined) return undefined;
      const index = indexIn(live);
      if (typeof index === 'string') return index;
      const packed = packedIn(await Promise.all(partNames(index).map((part) => this.#get(part))));
      if (packed !== undefined) return registryOf(index, packed);
      // Another replica may just have put a new whole in its place.
      if (attempt === readTries) return `not all of its ${index.parts} parts are there`;
    }
  }

  /**
   * Puts a text in the place of what stands under `live`. Answers with the new index, as text why it is not kept, or undefined when somebody
   * else was faster or it is not wanted any more.
   */
  async write(
    live: LiveIndex | undefined,
    { owner, digest, lastContact }: Pick<KeptIndex, 'owner' | 'digest' | 'lastContact'>,
    text: string,
    isWanted: () => boolean,
  ): Promise<KeptIndex | string | undefined> {
    const parts = partsOf(await compress(text));
    if (typeof parts === 'string') return parts;
    const generation = randomBytes(4).toString('hex');
    const index: KeptIndex = { version: 1, owner, digest, generation, parts: parts.length, lastContact };
    const names = partNames(index);
    try {
      for (const [part, name] of names.entries())
        await this.#client.create(partConfigMap(this.#namespace, name, parts[part] ?? Buffer.alloc(0)));
      const isWritten = isWanted() && (await this.point(live, index));
      await this.#delete(isWritten ? namesIn(live) : names);
      return isWritten ? index : undefined;
    } catch (error) {
      await this.#delete(names).catch(() => undefined);
      throw error;
    }
  }

  /** Writes an index where that is still as it was read; false when it is not. */
  async point(live: LiveIndex | undefined, index: KeptIndex): Promise<boolean> {
    const wanted = indexConfigMap(this.#namespace, index);
    try {
      if (live === undefined) {
        await this.#client.create(wanted);
        return true;
      }
      const { resourceVersion } = live;
      const { name, labels: own, annotations: notes } = wanted.metadata ?? {};
      const metadata = { resourceVersion, labels: own, annotations: notes };
      await this.#client.patch(this.#path(name ?? ''), { metadata }, mergePatch);
      return true;
    } catch (error) {
      if (error instanceof ConflictError || error instanceof NotFoundError) return false;
      throw error;
    }
  }

  /** Removes an index, so that nothing is found any more, then the parts it named. */
  async remove(name: string): Promise<void> {
    const live = await this.#get(name);
    if (live === undefined) return;
    await this.#delete([name, ...namesIn(liveIndex(live))]);
  }

  /**
   * Removes indexes that nobody wants, that cannot be read or lack parts, and parts that no index names, unless they are so young that they may
   * be on the way to one.
   */
  async sweep(isWanted: (index: KeptIndex) => boolean, youngSince: number): Promise<void> {
    const all = await this.list();
    const there = new Set(all.map(nameOf));
    const indexes = all.map((each) => indexIn(each)).filter((index) => typeof index === 'object');
    const isGood = (index: KeptIndex): boolean => isWanted(index) && partNames(index).every((name) => there.has(name));
    const good = new Set(
      indexes.filter(isGood).flatMap((index) => [indexName(index.owner.clusterID), ...partNames(index)]),
    );
    const bad = new Set(indexes.filter((index) => !isGood(index)).flatMap(partNames));
    const isYoung = ({ metadata }: Listed): boolean => Date.parse(metadata?.creationTimestamp ?? '') >= youngSince;
    const superfluous = all.filter(
      (each) => !good.has(nameOf(each)) && (isIndexKind(each) || bad.has(nameOf(each)) || !isYoung(each)),
    );
    await this.#delete(
      [...superfluous.filter(isIndexKind), ...superfluous.filter((each) => !isIndexKind(each))].map(nameOf),
    );
  }

  async #delete(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#client.delete(this.#path(name));
  }

  #get(name: string): Promise<ConfigMap | undefined> {
    return this.#client.get<ConfigMap>(this.#path(name));
  }

  #path(name: string): string {
    return pathFor(resources.configMaps, { namespace: this.#namespace, name });
  }
}

function liveIndex(live: ConfigMap): LiveIndex {
  const index = indexIn(live);
  const resourceVersion = live.metadata?.resourceVersion ?? '';
  return typeof index === 'string' ? { resourceVersion } : { resourceVersion, index };
}

function namesIn(live: LiveIndex | undefined): readonly string[] {
  return live?.index === undefined ? [] : partNames(live.index);
}

function nameOf({ metadata }: Listed): string {
  return metadata?.name ?? '';
}

/** True for an index, false for a part. */
export function isIndexKind({ metadata }: Listed): boolean {
  return metadata?.labels?.[labels.keptRegistry] === 'index';
}

async function registryOf({ owner, digest, lastContact }: KeptIndex, packed: Buffer): Promise<KeptRegistry | string> {
  try {
    const text = (await decompress(packed, { maxOutputLength: keptLimits.textBytes })).toString('utf8');
    if (digestOf(text) !== digest) return 'its parts are not those that were written together';
    return { owner, lastContact, objects: registryIn(text) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
