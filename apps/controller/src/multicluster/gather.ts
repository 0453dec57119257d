import { parseIstioMulticluster } from '#crd';
import { gatherPeer } from '../peer/gather.js';
import type { PeerSources } from '../peer/gather.js';
import type { World } from '../world.js';
import type { MulticlusterInput } from './decide.js';
import { clusterIDOf } from './documents.js';
import { registryReport } from './reports.js';
import type { ApiReach } from './reports.js';

export interface MulticlusterSources extends PeerSources {
  readonly apiReaches: { get(name: string): ApiReach | undefined };
}

/** Reads everything one reconcile of an IstioMulticluster looks at; undefined when the resource is gone. */
export async function gatherMulticluster(
  sources: MulticlusterSources,
  name: string,
): Promise<MulticlusterInput | undefined> {
  const { multiclusters } = sources.world;
  if (multiclusters === undefined) return undefined;
  const input = await gatherPeer(sources, { kind: 'IstioMulticluster', name }, multiclusters, parseIstioMulticluster);
  if (input === undefined) return undefined;
  const { memory } = input;
  return {
    ...input,
    api: sources.apiReaches.get(name),
    registry:
      memory === undefined
        ? undefined
        : registryReport(sources.world.remoteClusters?.list()[0], meshReplicas(sources), clusterIDOf(name, memory)),
  };
}

/** Pods of the mesh core that are there now: what others once wrote counts no more. */
function meshReplicas({
  world,
  config,
}: {
  readonly world: World;
  readonly config: PeerSources['config'];
}): ReadonlySet<string> {
  const pods = world.pods
    .list()
    .filter(
      ({ metadata }) => metadata?.namespace === config.mesh.rootNamespace && metadata.labels?.['app'] === 'istiod',
    );
  return new Set(pods.flatMap(({ metadata }) => metadata?.name ?? []));
}
