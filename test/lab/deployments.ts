import { join } from 'node:path';
import type { ApiObject } from './api.js';
import type { LabCluster } from './lab.js';
import { logTail } from './supervisor.js';
import { waitFor } from './waiting.js';

const timeoutMs = 300_000;

interface Deployment extends ApiObject {
  readonly metadata: ApiObject['metadata'] & { readonly generation?: number };
  readonly spec: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly replicas?: number;
  };
}

/** Resolves when every Deployment of a namespace is fully available. @throws Error that names those which are not, and why */
export async function deploymentsAvailable(
  cluster: LabCluster,
  namespace: string,
  progress?: (line: string) => void,
): Promise<void> {
  const ask = async (): Promise<true | undefined> => {
    const { items } = await cluster.api.list<Deployment>(`/apis/apps/v1/namespaces/${namespace}/deployments`);
    const missing = items.filter((deployment) => !isAvailable(deployment)).map(({ metadata }) => metadata.name);
    if (items.length === 0) throw new Error('there is no Deployment');
    if (missing.length > 0) throw new Error(`waiting for ${missing.join(', ')}`);
    return true;
  };
  const what = `Deployments of ${namespace} in ${cluster.name}`;
  try {
    await waitFor(ask, { what, timeoutMs, everyMs: 150, ...(progress === undefined ? {} : { progress }) });
  } catch (error) {
    throw new Error(`${(error as Error).message}${await podTroubles(cluster, namespace)}`, { cause: error });
  }
}

function isAvailable({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec.replicas ?? 1;
  const current = status?.observedGeneration === metadata.generation && (status?.updatedReplicas ?? 0) === wanted;
  // Pods of an older template count as available too: while there are some, nothing is said of the new ones.
  return current && (status?.replicas ?? 0) === wanted && (status?.availableReplicas ?? 0) >= wanted;
}

interface Pod extends ApiObject {
  readonly status?: {
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
}

async function podTroubles(cluster: LabCluster, namespace: string): Promise<string> {
  const { items } = await cluster.api.list<Pod>(`/api/v1/namespaces/${namespace}/pods`);
  const troubles = items.flatMap((pod) =>
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
      .filter(({ state, restartCount }) => state?.waiting !== undefined || (restartCount ?? 0) > 0)
      .map(({ name, state, restartCount }) => {
        const reason = [state?.waiting?.reason, state?.waiting?.message].filter((text) => text !== undefined).join(' ');
        const log = join(
          cluster.plan.directory,
          `node/pods/${namespace}_${pod.metadata.name}_${pod.metadata.uid}/${name}.log`,
        );
        return `\n${pod.metadata.name}/${name}: ${reason} (restarts ${restartCount ?? 0}); ${log} ends with\n${logTail(log)}`;
      }),
  );
  return troubles.join('');
}
