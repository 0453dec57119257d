import { compareText } from '#model';

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
