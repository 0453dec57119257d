import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Secret } from '#istio-api';
import { annotations, labels } from '#model';

/** Kubernetes takes Secrets of one MiB; base64 and metadata need room. */
const shardBytes = 700 * 1024;
/** A peer's documents are bounded long before this; it keeps a forged Secret from filling memory. */
const mostBytes = 64 * 1024 * 1024;
const mostShards = 64;
const dataKey = 'document.gz';

export interface ShardedOrder {
  readonly namespace: string;
  /** Name of the n-th Secret; `digest` is that of the whole text. */
  readonly nameOf: (shard: number, digest: string) => string;
  readonly text: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A text as compressed Secrets; each carries how many there are and the digest of the whole. Same text, same bytes. */
export function secretsFor(order: ShardedOrder): readonly Secret[] {
  const packed = gzipSync(Buffer.from(order.text, 'utf8'), { level: 6 });
  const digest = digestOf(order.text);
  const count = Math.max(1, Math.ceil(packed.length / shardBytes));
  return Array.from({ length: count }, (_unused, shard): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      namespace: order.namespace,
      name: order.nameOf(shard, digest),
      labels: { [labels.managedBy]: labels.managedByValue, ...order.labels },
      annotations: { ...order.annotations, [annotations.shards]: String(count), [annotations.digest]: digest },
    },
    data: { [dataKey]: packed.subarray(shard * shardBytes, (shard + 1) * shardBytes).toString('base64') },
  }));
}

/** The text that `secretsFor` packed; undefined when there is no first Secret. Throws when what is there is not the whole of what was packed. */
export function textOf(find: (shard: number, digest: string) => Secret | undefined): string | undefined {
  const first = find(0, '');
  if (first === undefined) return undefined;
  const { [annotations.shards]: shards = '1', [annotations.digest]: digest } = first.metadata?.annotations ?? {};
  const count = Number(shards);
  if (!Number.isInteger(count) || count < 1 || count > mostShards) throw new Error(`${shards} is no count of shards`);
  const parts = Array.from({ length: count }, (_unused, shard) => {
    const part = (shard === 0 ? first : find(shard, digest ?? ''))?.data?.[dataKey];
    if (part === undefined) throw new Error(`shard ${shard + 1} of ${count} is missing`);
    return Buffer.from(part, 'base64');
  });
  const text = gunzipSync(Buffer.concat(parts), { maxOutputLength: mostBytes }).toString('utf8');
  // Secrets of a version before this one carry no digest: gzip's own checksum stands in.
  if (digest !== undefined && digestOf(text) !== digest) throw new Error('the digest of the whole does not hold');
  return text;
}

/** True when these are all the shards of one text, by what they say of themselves: each was written in one piece. */
export function isWhole(shards: readonly Secret[]): boolean {
  const said = shards.map(({ metadata }) => metadata?.annotations ?? {});
  const digests = new Set(said.map(({ [annotations.digest]: digest }) => digest));
  return digests.size === 1 && said[0]?.[annotations.shards] === String(shards.length);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
