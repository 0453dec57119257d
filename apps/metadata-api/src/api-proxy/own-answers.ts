import { adler32 } from '#model';
import type { Query } from './decide-query.js';
import { isSet } from './decide-query.js';

/** What every peer sees of a kind that is never asked of the API server. */
export interface OwnAnswer {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly resourceVersion: string;
  readonly items: readonly object[];
}

/** Nothing was ever here, so nothing changed since: any resourceVersion will do. */
export const noSecrets: OwnAnswer = { kind: 'Secret', resourceVersion: '1', items: [] };

/**
 * Istio's mesh configuration as an istiod that reads this cluster needs it (it waits for it, and takes the trust domain of our workloads from it):
 * that one setting, whatever else stands in ours. The path is the canonical one of a list.
 */
export function meshConfigFor(path: string, query: Query, trustDomain: string): OwnAnswer {
  const namespace = path.split('/')[4] ?? '';
  const name = meshConfigName(query) ?? '';
  const resourceVersion = String(adler32(trustDomain));
  const metadata = { namespace, name, resourceVersion };
  const data = { mesh: `trustDomain: ${trustDomain}\n` };
  return { kind: 'ConfigMap', resourceVersion, items: [{ kind: 'ConfigMap', apiVersion: 'v1', metadata, data }] };
}

/** Name of the mesh configuration, `istio` or `istio-<revision>`, if a query asks for it alone. */
export function meshConfigName(query: Query): string | undefined {
  return /^metadata\.name=(istio(?:-[a-z0-9-]{1,63})?)$/.exec(query.get('fieldSelector') ?? '')?.[1];
}

/** Reads as which kind the caller wants an empty list: client-go's metadata clients and kubectl ask for other forms of it. */
function formOf({ kind, items }: OwnAnswer, accept: string): 'PartialObjectMetadata' | 'Table' | OwnAnswer['kind'] {
  if (items.length > 0) return kind;
  if (/;\s*as=PartialObjectMetadata/.test(accept)) return 'PartialObjectMetadata';
  return /;\s*as=Table/.test(accept) ? 'Table' : kind;
}

export function ownList(answer: OwnAnswer, accept: string): string {
  const { resourceVersion, items } = answer;
  const metadata = { resourceVersion };
  const form = formOf(answer, accept);
  switch (form) {
    case 'Table':
      return JSON.stringify({ kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: [], rows: [] });
    case 'PartialObjectMetadata':
      return JSON.stringify({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items });
    default:
      return JSON.stringify({ kind: `${form}List`, apiVersion: 'v1', metadata, items });
  }
}

/** First lines of a watch: who has not the present state gets it, and who asked for it is told that this was all. */
export function ownWatch(answer: OwnAnswer, accept: string, query: Query): string {
  const { resourceVersion, items } = answer;
  const initial = isSet(query, 'sendInitialEvents');
  const current = !initial && query.get('resourceVersion') === resourceVersion;
  const events: object[] = current ? [] : items.map((object) => ({ type: 'ADDED', object }));
  if (initial && isSet(query, 'allowWatchBookmarks')) {
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const form = formOf(answer, accept);
    const apiVersion = form === answer.kind ? 'v1' : 'meta.k8s.io/v1';
    events.push({ type: 'BOOKMARK', object: { kind: form, apiVersion, metadata: { resourceVersion, annotations } } });
  }
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}
