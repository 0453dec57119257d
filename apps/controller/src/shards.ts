import { gunzipSync, gzipSync } from 'node:zlib';
import type { Secret } from '#istio-api';
import { annotations, labels } from '#model';

/** Kubernetes takes Secrets of one MiB; base64 and metadata need room. */
const shardBytes = 700 * 1024;
/** A peer's documents are bounded long before this; it keeps a forged Secret from filling memory. */
const mostBytes = 64 * 1024 * 1024;
const dataKey = 'document.gz';

export interface ShardedOrder {
  readonly namespace: string;
  /** Name of the n-th Secret. */
  readonly nameOf: (shard: number) => string;
  readonly text: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A text as compressed Secrets; the first carries how many there are. Same text, same bytes. */
export function secretsFor(order: ShardedOrder): readonly Secret[] {
  const packed = gzipSync(Buffer.from(order.text, 'utf8'), { level: 6 });
  const count = Math.max(1, Math.ceil(packed.length / shardBytes));
  return Array.from({ length: count }, (_unused, shard): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      namespace: order.namespace,
      name: order.nameOf(shard),
      labels: { [labels.managedBy]: labels.managedByValue, ...order.labels },
      annotations: { ...order.annotations, [annotations.shards]: String(count) },
    },
    data: { [dataKey]: packed.subarray(shard * shardBytes, (shard + 1) * shardBytes).toString('base64') },
  }));
}

/** The text that `secretsFor` packed; undefined while a shard is missing. Throws when the bytes are not what was packed. */
export function textOf(find: (shard: number) => Secret | undefined): string | undefined {
  const first = find(0);
  const count = Number(first?.metadata?.annotations?.[annotations.shards] ?? '1');
  const parts: Buffer[] = [];
  for (let shard = 0; shard < count; shard += 1) {
    const part = find(shard)?.data?.[dataKey];
    if (part === undefined) return undefined;
    parts.push(Buffer.from(part, 'base64'));
  }
  return gunzipSync(Buffer.concat(parts), { maxOutputLength: mostBytes }).toString('utf8');
}
