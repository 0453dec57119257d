import { sortedUnique } from '#model';
import { regex } from '../envoy/string-match.js';
import type { PeerGrant, Workload } from '../mesh-model.js';
import { selects } from '../selection.js';
import { permissions } from './permission.js';
import { authenticated, ofTrustDomain, principals } from './principal.js';
import type { Policy } from './rule.js';

/**
 * Policy of a DENY filter: a verified identity that is neither ours nor of a trust domain this port is granted to. It names who may
 * enter, not who may not, so a trust domain that is not trusted any more is refused on its open connections too (trust rules 9, 10).
 */
export function grantPolicy(trustDomain: string, granted: readonly string[]): Policy {
  const welcome = sortedUnique([trustDomain, ...granted]).map(ofTrustDomain);
  return {
    permissions: [permissions.any],
    principals: [principals.all([authenticated(regex('.+')), principals.not(principals.some(welcome))])],
  };
}

type GrantTarget = Pick<Workload, 'namespace' | 'labels' | 'namedPorts'>;

/** Peer trust domains whose identities may reach a port of a workload; without a port: those that may reach everything. */
export function grantedTrustDomains(
  grants: readonly PeerGrant[],
  workload: GrantTarget,
  port?: number,
): readonly string[] {
  const granted = grants.filter(
    ({ everything, allowed }) =>
      everything === true ||
      (port !== undefined &&
        allowed.some(
          ({ namespace, podLabels, targetPorts }) =>
            namespace === workload.namespace &&
            Object.keys(podLabels).length > 0 &&
            selects(podLabels, workload.labels) &&
            targetPorts.some((target) => portNumber(target, workload) === port),
        )),
  );
  return sortedUnique(granted.map(({ trustDomain }) => trustDomain));
}

/** Number of a target port, which may be a name of the workload's. */
export function portNumber(target: number | string, workload: Pick<Workload, 'namedPorts'>): number | undefined {
  return typeof target === 'number' ? target : workload.namedPorts[target];
}
