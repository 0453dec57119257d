import { waitFor } from '../../lab/index.js';
import type { ApiObject, ClusterDescription, LabApi } from '../../lab/index.js';
import { apiOf } from './lab-run.js';

/** A peer resource or a Deployment. */
interface Judged extends ApiObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

const kinds = ['istiofederations', 'istiomulticlusters'] as const;

/**
 * Deployments that were never wholly there, peers and whether they are Ready. What a missed probe turned since does not count: a Deployment stays
 * rolled out, and a gateway is looked at again after twenty seconds.
 */
export async function standing(cluster: ClusterDescription): Promise<unknown> {
  const api = apiOf(cluster);
  try {
    const { items } = await api.list<Judged>('/apis/apps/v1/deployments');
    const unready = items.filter(
      ({ status }) => conditionOf(status, 'Progressing')?.reason !== 'NewReplicaSetAvailable',
    );
    const options = { what: `gateways of ${cluster.name}’s peers`, timeoutMs: 60_000, everyMs: 500 };
    const peers = await waitFor(() => readinessOf(api), options);
    return { name: cluster.name, unready: unready.map(({ metadata }) => metadata.name), peers };
  } finally {
    api.close();
  }
}

function conditionOf(status: Judged['status'], wanted: string): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === wanted);
}

/** Undefined where a gateway was not reached when it was looked at last. */
async function readinessOf(api: LabApi): Promise<readonly string[] | undefined> {
  const found = await Promise.all(kinds.map((kind) => listOf(api, kind)));
  const peers = found.flatMap((list, index) =>
    list.items.map(({ metadata, status }) => ({
      name: `${kinds[index]}/${metadata.name}`,
      ready: conditionOf(status, 'Ready'),
    })),
  );
  if (peers.some(({ ready }) => ready?.message?.startsWith('GatewaysReachable: ') === true && ready.status === 'False'))
    return undefined;
  return peers.map(({ name, ready }) => `${name} ${ready?.status ?? 'unknown'}`);
}

/** Peers of a kind. An API server puts off who asks first for a kind that nobody has used yet (429). */
function listOf(api: LabApi, kind: string): Promise<{ readonly items: readonly Judged[] }> {
  const options = { what: `list of ${kind}`, timeoutMs: 60_000 };
  return waitFor(() => api.list<Judged>(`/apis/isthmus.dev/v1alpha1/${kind}`), options);
}
