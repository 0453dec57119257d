import { compareText } from '#model';
import { labelsMatch } from './selector.js';
import type { MutualTLSMode, PeerAuthentication as PeerAuthenticationObject } from './security.js';

/** How a workload takes connections; UNSET is told by absence. */
export type EffectiveMode = Exclude<MutualTLSMode, 'UNSET'>;

/** A PeerAuthentication as far as it decides modes. */
export interface ModePolicy {
  readonly name: string;
  readonly namespace: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly selector?: Readonly<Record<string, string>>;
  /** Absent (UNSET) inherits from the wider scope. */
  readonly mode?: EffectiveMode;
  /** By workload port; only honoured with a selector. */
  readonly portModes: Readonly<Record<number, EffectiveMode>>;
}

/** Effective modes of one workload. */
export interface WorkloadModes {
  readonly mode: EffectiveMode;
  /** By workload port, where a policy of the workload says so. */
  readonly ports: Readonly<Record<number, EffectiveMode>>;
}

interface Placed {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function modePolicyFrom({ metadata = {}, spec = {} }: PeerAuthenticationObject): ModePolicy {
  const mode = effective(spec.mtls?.mode);
  const ports = Object.entries(spec.portLevelMtls ?? {}).flatMap(([port, setting]) => {
    const portMode = effective(setting.mode);
    return portMode === undefined ? [] : [[Number(port), portMode] as const];
  });
  const selector = spec.selector?.matchLabels;
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? 'default',
    createdAt: Date.parse(metadata.creationTimestamp ?? '') || 0,
    // A selector without labels selects everything, which is what no selector means.
    ...(selector === undefined || Object.keys(selector).length === 0 ? {} : { selector }),
    ...(mode === undefined ? {} : { mode }),
    portModes: Object.fromEntries(ports),
  };
}

/** Istio's precedence: workload, namespace, mesh; the oldest of each; unset inherits; PERMISSIVE in the end. */
export function workloadModes(policies: readonly ModePolicy[], rootNamespace: string, workload: Placed): WorkloadModes {
  const sorted = [...policies].sort(byAge);
  const wide = (namespace: string): ModePolicy | undefined =>
    sorted.find((policy) => policy.namespace === namespace && policy.selector === undefined);
  const narrow = sorted.find(
    ({ namespace, selector }) =>
      selector !== undefined &&
      namespace === workload.namespace &&
      namespace !== rootNamespace &&
      labelsMatch(selector, workload.labels),
  );
  const mode = narrow?.mode ?? wide(workload.namespace)?.mode ?? wide(rootNamespace)?.mode ?? 'PERMISSIVE';
  return { mode, ports: narrow?.portModes ?? {} };
}

/** Mode of one port. */
export function portMode(modes: WorkloadModes, port: number): EffectiveMode {
  return modes.ports[port] ?? modes.mode;
}

/** The older first; at a tie by name, then namespace. */
function byAge(a: ModePolicy, b: ModePolicy): number {
  return a.createdAt - b.createdAt || compareText(a.name, b.name) || compareText(a.namespace, b.namespace);
}

function effective(mode: MutualTLSMode | undefined): EffectiveMode | undefined {
  return mode === 'UNSET' ? undefined : mode;
}
