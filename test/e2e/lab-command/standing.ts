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
 * Deployments that were never wholly there, peers and whether they are Ready. What turned since FILE was born does not count where it
 * turns back: a Deployment stays rolled out, a gateway missed is looked at again after twenty seconds, and a replica of our mesh core that was
 * held up tells of its registries later than the other one.
 */
export async function standing(cluster: ClusterDescription, bornAt: number): Promise<unknown> {
  const api = apiOf(cluster);
  try {
    const { items } = await api.list<Judged>('/apis/apps/v1/deployments');
    const unready = items.filter(
      ({ status }) => conditionOf(status, 'Progressing')?.reason !== 'NewReplicaSetAvailable',
    );
    const options = { what: `${cluster.name}’s peers`, timeoutMs: 60_000, everyMs: 500 };
    const peers = await waitFor(() => readinessOf(api, bornAt), options);
    return { name: cluster.name, unready: unready.map(({ metadata }) => metadata.name), peers };
  } finally {
    api.close();
  }
}

function conditionOf(status: Judged['status'], wanted: string): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === wanted);
}

/** @throws Error while a peer is not Ready for what has turned since FILE was born */
async function readinessOf(api: LabApi, bornAt: number): Promise<readonly string[]> {
  const found = await Promise.all(kinds.map((kind) => listOf(api, kind)));
  for (const { status } of found.flatMap(({ items }) => items))
    if (hasTurnedSince(bornAt, status)) throw new Error(conditionOf(status, 'Ready')?.message);
  return found.flatMap(({ items }, index) =>
    items.map(
      ({ metadata, status }) => `${kinds[index]}/${metadata.name} ${conditionOf(status, 'Ready')?.status ?? 'unknown'}`,
    ),
  );
}

/** What a machine that stands still turns for a while. */
const turnsBack = /^(GatewaysReachable|RegistrySynced): /;

/** Is a peer not Ready for that alone, and since FILE was born? Conditions tell whole seconds. */
function hasTurnedSince(bornAt: number, status: Judged['status']): boolean {
  const [, type = ''] = turnsBack.exec(conditionOf(status, 'Ready')?.message ?? '') ?? [];
  const turned = conditionOf(status, type);
  return turned?.status === 'False' && Date.parse(turned.lastTransitionTime) + 1000 > bornAt;
}

/** Peers of a kind. An API server puts off who asks first for a kind that nobody has used yet (429). */
function listOf(api: LabApi, kind: string): Promise<{ readonly items: readonly Judged[] }> {
  const options = { what: `list of ${kind}`, timeoutMs: 60_000 };
  return waitFor(() => api.list<Judged>(`/apis/isthmus.dev/v1alpha1/${kind}`), options);
}
