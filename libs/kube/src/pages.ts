import type { Query } from './client.js';
import type { ApiObject } from './object.js';

/** Body of a list answer. */
export interface ListBody<T> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly items?: readonly T[];
  readonly metadata?: { readonly continue?: string; readonly resourceVersion?: string };
}

export interface Selection {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface Collected<T> {
  readonly items: T[];
  /** Version from which a watch continues this list. */
  readonly resourceVersion: string;
}

/** Reads a whole collection page by page. Items carry neither apiVersion nor kind on the wire; they get the list's. */
export async function readPages<T extends ApiObject>(
  readPage: (query: Query) => Promise<ListBody<T>>,
  selection: Selection,
  pageSize: number,
): Promise<Collected<T>> {
  const { labelSelector, fieldSelector } = selection;
  const items: T[] = [];
  let next: string | undefined;
  for (;;) {
    const page = await readPage({ labelSelector, fieldSelector, limit: pageSize, continue: next });
    const { apiVersion = '', kind = '' } = page;
    for (const item of page.items ?? []) items.push({ ...item, apiVersion, kind: kind.replace(/List$/, '') });
    next = page.metadata?.continue;
    if (next === undefined || next === '') return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
  }
}
