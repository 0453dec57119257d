import type { Condition } from '#istio-api';
import { waitFor } from '../../lab/index.js';
import type { ApiObject, ClusterDescription, LabApi } from '../../lab/index.js';
import { apiOf } from './lab-run.js';

/** A peer resource or a Deployment. */
interface Judged extends ApiObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

const kinds = ['istiofederations', 'istiomulticlusters'] as const;

/**
 * Deployments that were never wholly there, peers and whether they are Ready. What a missed probe turned since FILE was born does not count: a
 * Deployment stays rolled out, and a gateway is looked at again after twenty seconds.
 */
export async function standing(cluster: ClusterDescription, bornAt: number): Promise<unknown> {
  const api = apiOf(cluster);
  try {
    const { items } = await api.list<Judged>('/apis/apps/v1/deployments');
    const unready = items.filter(
      ({ status }) => conditionOf(status, 'Progressing')?.reason !== 'NewReplicaSetAvailable',
    );
    const options = { what: `gateways of ${cluster.name}’s peers`, timeoutMs: 60_000, everyMs: 500 };
    const peers = await waitFor(() => readinessOf(api, bornAt), options);
    return { name: cluster.name, unready: unready.map(({ metadata }) => metadata.name), peers };
  } finally {
    api.close();
  }
}

function conditionOf(status: Judged['status'], wanted: string): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === wanted);
}

/** Undefined while a gateway is missed that had answered before FILE was born. */
async function readinessOf(api: LabApi, bornAt: number): Promise<readonly string[] | undefined> {
  const found = await Promise.all(kinds.map((kind) => listOf(api, kind)));
  if (found.some(({ items }) => items.some(({ status }) => isMissedSince(bornAt, status)))) return undefined;
  return found.flatMap(({ items }, index) =>
    items.map(
      ({ metadata, status }) => `${kinds[index]}/${metadata.name} ${conditionOf(status, 'Ready')?.status ?? 'unknown'}`,
    ),
  );
}

/** Is a peer not Ready for its gateways alone, which were not missed yet when FILE was born? Conditions tell whole seconds. */
function isMissedSince(bornAt: number, status: Judged['status']): boolean {
  const [ready, gateways] = ['Ready', 'GatewaysReachable'].map((type) => conditionOf(status, type));
  const isMissed = ready?.message.startsWith('GatewaysReachable: ') === true && gateways?.status === 'False';
  return isMissed && Date.parse(gateways.lastTransitionTime) + 1000 > bornAt;
}

/** Peers of a kind. An API server puts off who asks first for a kind that nobody has used yet (429). */
function listOf(api: LabApi, kind: string): Promise<{ readonly items: readonly Judged[] }> {
  const options = { what: `list of ${kind}`, timeoutMs: 60_000 };
  return waitFor(() => api.list<Judged>(`/apis/isthmus.dev/v1alpha1/${kind}`), options);
}
