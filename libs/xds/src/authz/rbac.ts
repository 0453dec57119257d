import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { packed } from '#proto';
import { RBAC_Action, type RBACSchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import {
  RBACPerRouteSchema,
  RBACSchema as HttpRbacSchema,
} from '#proto-gen/envoy/extensions/filters/http/rbac/v3/rbac_pb';
import { RBACSchema as NetworkRbacSchema } from '#proto-gen/envoy/extensions/filters/network/rbac/v3/rbac_pb';
import { sortedBy, sortedRecord } from '#model';
import type { Init } from '../envoy/init.js';
import type { HttpFilter, NetworkFilter } from '../envoy/network-filters.js';
import type { AuthorizationPolicy } from '../mesh-model.js';
import { grantPolicy } from './grants.js';
import { type Policy, policyForRule } from './rule.js';

type Rules = Init<typeof RBACSchema>;

/** Everything that decides who may reach one workload port. */
export interface AccessFacts {
  readonly trustDomain: string;
  /** Peer trust domains that the port is granted to. */
  readonly grantedTrustDomains: readonly string[];
  /** Policies that hold for the workload. */
  readonly policies: readonly AuthorizationPolicy[];
}

/** Names under which the connection manager holds its two access filters and routes fill them. */
export const accessFilters = { deny: 'isthmus.access.deny', allow: 'isthmus.access.allow' } as const;

interface AccessRules {
  readonly deny: Rules;
  /** Absent when no ALLOW policy holds: then everybody not denied may enter. */
  readonly allow?: Rules;
}

/** Grants first, then DENY policies, then ALLOW policies (trust rule 9, and Istio's order). */
export function accessRules(facts: AccessFacts, http: boolean): AccessRules {
  const deny = policiesOf(facts, 'DENY', http);
  const grants = { 'isthmus-grants': grantPolicy(facts.trustDomain, facts.grantedTrustDomains) };
  const allows = facts.policies.some(({ action }) => action === 'ALLOW');
  return {
    deny: { action: RBAC_Action.DENY, policies: { ...grants, ...deny } },
    ...(allows ? { allow: { action: RBAC_Action.ALLOW, policies: policiesOf(facts, 'ALLOW', http) } } : {}),
  };
}

function policiesOf(facts: AccessFacts, action: 'ALLOW' | 'DENY', http: boolean): Record<string, Policy> {
  const found: Record<string, Policy> = {};
  for (const { namespace, name, action: own, rules } of sortedBy(facts.policies, (p) => `${p.namespace}/${p.name}`)) {
    if (own !== action) continue;
    for (const [index, rule] of rules.entries()) {
      const policy = policyForRule(rule, { action, http }, { trustDomain: facts.trustDomain, namespace });
      if (policy !== undefined) found[`ns[${namespace}]-policy[${name}]-rule[${index}]`] = policy;
    }
  }
  return sortedRecord(found);
}

/** The two HTTP filters, empty: their rules come with the routes, so that a change acts on open connections without a drain. */
export function httpAccessFilters(): readonly HttpFilter[] {
  const empty = packed(HttpRbacSchema, create(HttpRbacSchema));
  return [accessFilters.deny, accessFilters.allow].map((name) => ({
    name,
    configType: { case: 'typedConfig' as const, value: empty },
  }));
}

/** Rules for the filters above, as typed_per_filter_config of a virtual host. */
export function routedAccessRules(facts: AccessFacts): Record<string, Any> {
  const { deny, allow } = accessRules(facts, true);
  return sortedRecord({
    [accessFilters.deny]: perRoute(deny),
    ...(allow === undefined ? {} : { [accessFilters.allow]: perRoute(allow) }),
  });
}

function perRoute(rules: Rules): Any {
  return packed(RBACPerRouteSchema, create(RBACPerRouteSchema, { rbac: { rules } }));
}

/** Rules for a chain that carries bytes; they are judged once, so a change has to replace the chain (which cuts its connections). */
export function networkAccessFilters(facts: AccessFacts): readonly NetworkFilter[] {
  const { deny, allow } = accessRules(facts, false);
  return [deny, ...(allow === undefined ? [] : [allow])].map((rules) => ({
    name: 'envoy.filters.network.rbac',
    configType: {
      case: 'typedConfig' as const,
      value: packed(NetworkRbacSchema, create(NetworkRbacSchema, { rules, statPrefix: 'tcp.' })),
    },
  }));
}
