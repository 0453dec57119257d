import type { MeshModel, MutualTlsMode, PeerAuthentication, Workload } from '../mesh-model.js';
import { oldestFirst } from '../ordering.js';
import { selects } from '../selection.js';

/** Effective modes of one workload. */
export interface WorkloadModes {
  readonly mode: MutualTlsMode;
  /** By workload port, where a policy of the workload says so. */
  readonly ports: Readonly<Record<number, MutualTlsMode>>;
}

type Policies = Pick<MeshModel, 'peerAuthentications' | 'cluster'>;

/** Istio's precedence: workload, namespace, mesh; the oldest of each; unset inherits; PERMISSIVE in the end. */
export function workloadModes(model: Policies, workload: Pick<Workload, 'namespace' | 'labels'>): WorkloadModes {
  const { rootNamespace } = model.cluster;
  const sorted = oldestFirst(model.peerAuthentications);
  const wide = (namespace: string): PeerAuthentication | undefined =>
    sorted.find((policy) => policy.namespace === namespace && !isNarrow(policy));
  const narrow = sorted.find(
    (policy) =>
      policy.namespace === workload.namespace &&
      policy.namespace !== rootNamespace &&
      isNarrow(policy) &&
      selects(policy.selector ?? {}, workload.labels),
  );
  const mode = narrow?.mode ?? wide(workload.namespace)?.mode ?? wide(rootNamespace)?.mode ?? 'PERMISSIVE';
  return { mode, ports: narrow?.portModes ?? {} };
}

function isNarrow({ selector }: PeerAuthentication): boolean {
  return selector !== undefined && Object.keys(selector).length > 0;
}

/** Mode of one port. */
export function portMode(modes: WorkloadModes, port: number): MutualTlsMode {
  return modes.ports[port] ?? modes.mode;
}
