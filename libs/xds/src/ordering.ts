/** Byte order of two strings, the same on every machine (localeCompare is not). */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Sorted copy by a text key. */
export function sortedBy<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
  return items
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => compareText(a.key, b.key))
    .map(({ item }) => item);
}

/** Sorted copy without repetitions. */
export function sortedUnique(items: readonly string[]): readonly string[] {
  return [...new Set(items)].sort(compareText);
}

interface Dated {
  readonly createdAt: number;
  readonly namespace: string;
  readonly name: string;
  /** Tells apart the hosts of one ServiceEntry. */
  readonly hostname?: string;
}

/** Istio's precedence: the older object first; at a tie by name, namespace, host name. */
export function oldestFirst<T extends Dated>(items: readonly T[]): readonly T[] {
  return [...items].sort(
    (a, b) =>
      a.createdAt - b.createdAt ||
      compareText(a.name, b.name) ||
      compareText(a.namespace, b.namespace) ||
      compareText(a.hostname ?? '', b.hostname ?? ''),
  );
}

/** A copy whose keys were inserted in sorted order, as encoded maps need them. */
export function sortedRecord<V>(record: Readonly<Record<string, V>>): Record<string, V> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => compareText(a, b)));
}
