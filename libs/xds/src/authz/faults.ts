import type { AuthorizationPolicy } from '../mesh-model.js';
import { type Attribute, type PolicyScope, unreadable } from './attribute.js';
import { ruleAttributes } from './rule.js';

/**
 * What of an AuthorizationPolicy is not understood, sorted by rule: fields and keys that are not known, values that cannot be read. An ALLOW
 * rule lets nobody in by an alternative that holds such a part; a DENY rule goes without the part.
 */
export function policyFaults(
  { rules, namespace }: Pick<AuthorizationPolicy, 'rules' | 'namespace'>,
  trustDomain: PolicyScope['trustDomain'],
): readonly string[] {
  return rules.flatMap((rule, index) => {
    const { sources, operations } = ruleAttributes(rule, { trustDomain, namespace });
    const faults = [...sources.flat().flatMap(faultsOf), ...operations.flat().flatMap(faultsOf)];
    return [...new Set(faults)].map((fault) => `spec.rules[${index}].${fault}`);
  });
}

function faultsOf<Matcher>(attribute: Attribute<Matcher>): readonly string[] {
  if (attribute.told === 'never') return [`${attribute.at}: not known`];
  return unreadable(attribute).map((value) => `${attribute.at}: ${JSON.stringify(value)} cannot be read`);
}
