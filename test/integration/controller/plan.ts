import { parse } from 'yaml';
import type { ServiceEntry } from '#istio-api';
import type { ApiObject } from '#kube';
import { waitFor } from '../../harness/child.js';
import type { Cluster } from './cluster.js';

export interface Plan {
  readonly trust: readonly { readonly peer: string }[];
  readonly documents: readonly object[];
  readonly write: readonly string[];
  readonly prune: readonly string[];
  readonly objects: readonly (ServiceEntry & ApiObject)[];
}

/** What `--plan` says. Once in a cluster's life: a pod's name is its own. */
export async function planOf(cluster: Cluster): Promise<Plan> {
  const planned = await cluster.controller('plan', ['--plan']);
  await waitFor('the plan', () => (planned.alive() ? undefined : true), {
    timeoutMs: 90_000,
    logFile: planned.logFile,
  });
  const lines = planned.log().split('\n');
  return parse(lines.filter((line) => !line.startsWith('{')).join('\n')) as Plan;
}
