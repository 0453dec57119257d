import type { DestinationRule, MeshModel, MeshService, TrafficPolicy } from '../mesh-model.js';
import { oldestFirst } from '../ordering.js';
import { visibleFrom } from '../selection.js';

/**
 * Policy for one service port as a client namespace sees it. The first level that has a matching rule wins entirely: client
 * namespace, service namespace, root namespace; within a level the most specific host, then the oldest rule.
 */
export function trafficPolicyFor(
  model: Pick<MeshModel, 'destinationRules' | 'cluster'>,
  clientNamespace: string,
  service: Pick<MeshService, 'hostname' | 'namespace'>,
  port: number,
): TrafficPolicy {
  const levels = [clientNamespace, service.namespace, model.cluster.rootNamespace];
  for (const level of levels) {
    const candidates = model.destinationRules.filter(
      (rule) =>
        rule.namespace === level && visibleFrom(rule, clientNamespace) && hostMatches(rule.host, service.hostname),
    );
    const rule = mostSpecific(candidates);
    if (rule !== undefined) return rule.portPolicies[port] ?? rule.trafficPolicy;
  }
  return {};
}

function hostMatches(pattern: string, hostname: string): boolean {
  if (pattern === hostname || pattern === '*') return true;
  return pattern.startsWith('*.') && hostname.endsWith(pattern.slice(1));
}

/** The longest pattern is the most specific; an exact host is longer than any wildcard that matches it or has no `*`. */
function mostSpecific(rules: readonly DestinationRule[]): DestinationRule | undefined {
  const rank = (host: string): number => (host.startsWith('*') ? host.length : Number.MAX_SAFE_INTEGER);
  return [...oldestFirst(rules)].sort((a, b) => rank(b.host) - rank(a.host))[0];
}
