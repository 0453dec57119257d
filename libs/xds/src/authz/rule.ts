import type { PolicySchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import type { Init } from '../envoy/init.js';
import { escaped, regex, suffix } from '../envoy/string-match.js';
import type { AuthorizationCondition, AuthorizationRule } from '../mesh-model.js';
import { type Attribute, attribute, conjunction, type Setting } from './attribute.js';
import { operationAttributes, type Permission, permissions, toAddress, toPort, withServerName } from './permission.js';
import {
  authenticated,
  fromAddress,
  fromDirectAddress,
  fromNamespace,
  namedPrincipal,
  nobody,
  type Principal,
  principals,
  sourceAttributes,
  withHeader,
} from './principal.js';

export type Policy = Init<typeof PolicySchema>;

/** An Envoy policy for one rule of an AuthorizationPolicy; undefined when the rule can match nothing on this kind of chain. */
export function policyForRule(rule: AuthorizationRule, setting: Setting, trustDomain: string): Policy | undefined {
  const conditions = (rule.when ?? []).map((condition) => conditionAttribute(condition, trustDomain));
  const who = alternatives(
    (rule.from ?? []).map(({ source }) => [
      ...sourceAttributes(source ?? {}, trustDomain),
      ...conditions.flatMap(({ principal }) => (principal === undefined ? [] : [principal])),
    ]),
    conditions.flatMap(({ principal }) => (principal === undefined ? [] : [principal])),
    (attributes) => conjunction(attributes, principals, setting),
  );
  const what = alternatives(
    (rule.to ?? []).map(({ operation }) => [
      ...operationAttributes(operation ?? {}),
      ...conditions.flatMap(({ permission }) => (permission === undefined ? [] : [permission])),
    ]),
    conditions.flatMap(({ permission }) => (permission === undefined ? [] : [permission])),
    (attributes) => conjunction(attributes, permissions, setting),
  );
  if (who.length === 0 || what.length === 0) return undefined;
  return { principals: [...who], permissions: [...what] };
}

/** One matcher per alternative; with no alternative given, only the conditions hold. */
function alternatives<Matcher>(
  given: readonly (readonly Attribute<Matcher>[])[],
  conditions: readonly Attribute<Matcher>[],
  join: (attributes: readonly Attribute<Matcher>[]) => Matcher | undefined,
): readonly Matcher[] {
  const lists = given.length > 0 ? given : [conditions];
  return lists.flatMap((attributes) => {
    const matcher = join(attributes);
    return matcher === undefined ? [] : [matcher];
  });
}

interface ConditionAttribute {
  readonly principal?: Attribute<Principal>;
  readonly permission?: Attribute<Permission>;
}

const whoKeys: Readonly<Record<string, (value: string, trustDomain: string) => Principal>> = {
  'source.ip': fromDirectAddress,
  'remote.ip': fromAddress,
  'source.namespace': fromNamespace,
  'source.principal': namedPrincipal,
  'source.trust_domain': (value) => authenticated(regex(`spiffe://${escaped(value)}/.*`)),
  'source.service_account': (value) => authenticated(suffix(`/sa/${value}`)),
};

const whatKeys: Readonly<Record<string, (value: string) => Permission>> = {
  'destination.ip': toAddress,
  'destination.port': toPort,
  'connection.sni': withServerName,
};

/** A `when` condition. A key that nothing here can establish counts as HTTP-only and matches no caller. */
function conditionAttribute(
  { key, values, notValues }: AuthorizationCondition,
  trustDomain: string,
): ConditionAttribute {
  const headerName = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
  if (headerName !== undefined) {
    return { principal: attribute(values, notValues, (value) => withHeader(headerName, value), true) };
  }
  const who = whoKeys[key];
  if (who !== undefined) return { principal: attribute(values, notValues, (value) => who(value, trustDomain)) };
  const what = whatKeys[key];
  if (what !== undefined) return { permission: attribute(values, notValues, what) };
  return { principal: attribute(values, notValues, () => nobody, true) };
}
