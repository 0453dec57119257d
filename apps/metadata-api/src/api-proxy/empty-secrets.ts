import type { Query } from './decide-query.js';
import { isSet } from './decide-query.js';

/** Nothing was ever here, so nothing changed since: any resourceVersion will do. */
const resourceVersion = '1';

/** Reads as which kind the caller wants the list: client-go's metadata clients and kubectl ask for other forms of it. */
function formOf(accept: string): 'PartialObjectMetadata' | 'Table' | 'Secret' {
  if (/;\s*as=PartialObjectMetadata/.test(accept)) return 'PartialObjectMetadata';
  return /;\s*as=Table/.test(accept) ? 'Table' : 'Secret';
}

/** The list of Secrets that every peer sees. */
export function emptySecretList(accept: string): string {
  const metadata = { resourceVersion };
  switch (formOf(accept)) {
    case 'Table':
      return JSON.stringify({ kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: [], rows: [] });
    case 'PartialObjectMetadata':
      return JSON.stringify({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: [] });
    case 'Secret':
      return JSON.stringify({ kind: 'SecretList', apiVersion: 'v1', metadata, items: [] });
  }
}

/** First line of a watch of Secrets: a reader that asked for the present state first is told that this was all of it. */
export function emptySecretWatch(accept: string, query: Query): string {
  if (!isSet(query, 'sendInitialEvents') || !isSet(query, 'allowWatchBookmarks')) return '';
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  const form = formOf(accept);
  const type = form === 'Secret' ? { kind: 'Secret', apiVersion: 'v1' } : { kind: form, apiVersion: 'meta.k8s.io/v1' };
  return `${JSON.stringify({ type: 'BOOKMARK', object: { ...type, metadata: { resourceVersion, annotations } } })}\n`;
}
