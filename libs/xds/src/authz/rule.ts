import type { PolicySchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import type { Init } from '../envoy/init.js';
import type { AuthorizationCondition, AuthorizationRule } from '../mesh-model.js';
import {
  attribute,
  type Attribute,
  attributesOf,
  conjunction,
  type Field,
  notUnderstood,
  type PolicyScope,
  type Setting,
  strangers,
} from './attribute.js';
import { operationFields, type Permission, permissions, toAddress, toPort, withServerName } from './permission.js';
import {
  fromAddress,
  fromDirectAddress,
  fromNamespace,
  fromServiceAccount,
  fromTrustDomain,
  namedPrincipal,
  nobody,
  type Principal,
  principals,
  sourceFields,
  withHeader,
} from './principal.js';

export type Policy = Init<typeof PolicySchema>;

/** An Envoy policy for one rule of an AuthorizationPolicy; undefined when the rule can match nothing on this kind of chain. */
export function policyForRule(rule: AuthorizationRule, setting: Setting, scope: PolicyScope): Policy | undefined {
  const { sources, operations } = ruleAttributes(rule, scope);
  const who = present(sources.map((attributes) => conjunction(attributes, principals, setting)));
  const what = present(operations.map((attributes) => conjunction(attributes, permissions, setting)));
  if (who.length === 0 || what.length === 0) return undefined;
  return { principals: who, permissions: what };
}

/** What a rule asks of callers and of what they ask for: alternatives, each of attributes that hold together. */
export interface RuleAttributes {
  readonly sources: readonly (readonly Attribute<Principal>[])[];
  readonly operations: readonly (readonly Attribute<Permission>[])[];
}

/** The conditions hold beside every alternative; with no alternative given, only they do. */
export function ruleAttributes(rule: AuthorizationRule, scope: PolicyScope): RuleAttributes {
  const { from = [], to = [], when = [] } = rule;
  const conditions = when.map((condition, index) => conditionAttributes(condition, `when[${index}]`, scope));
  const ofCaller = [
    ...conditions.flatMap(({ caller }) => caller),
    ...strangers<Principal>(rule, ['from', 'to', 'when'], ''),
  ];
  const ofRequest = conditions.flatMap(({ request }) => request);
  const sources = from.map((each, index) => [
    ...attributesOf(each.source ?? {}, sourceFields, { at: `from[${index}].source`, scope }),
    ...strangers<Principal>(each, ['source'], `from[${index}]`),
    ...ofCaller,
  ]);
  const operations = to.map((each, index) => [
    ...attributesOf(each.operation ?? {}, operationFields, { at: `to[${index}].operation`, scope }),
    ...strangers<Permission>(each, ['operation'], `to[${index}]`),
    ...ofRequest,
  ]);
  return {
    sources: sources.length > 0 ? sources : [ofCaller],
    operations: operations.length > 0 ? operations : [ofRequest],
  };
}

interface ConditionAttributes {
  readonly caller: readonly Attribute<Principal>[];
  readonly request: readonly Attribute<Permission>[];
}

const callerKeys: ReadonlyMap<string, Field<Principal>['match']> = new Map([
  ['source.ip', fromDirectAddress],
  ['remote.ip', fromAddress],
  ['source.namespace', fromNamespace],
  ['source.principal', namedPrincipal],
  ['source.serviceAccount', fromServiceAccount],
  ['source.trustDomain', fromTrustDomain],
]);

const requestKeys: ReadonlyMap<string, Field<Permission>['match']> = new Map([
  ['destination.ip', toAddress],
  ['destination.port', toPort],
  ['connection.sni', withServerName],
]);

/** Attributes of a request's token: nobody has one, since no filter of ours reads any. */
const tokenKey = /^request\.auth\.(principal|audiences|presenter|claims(\[[^[\]]+\])+)$/;
/** With a name that a header may have; another would make Envoy refuse the whole listener. */
const headerKey = /^request\.headers\[(:?[0-9a-zA-Z!#$%&'*+.^_`|~-]+)\]$/;

function callerField(key: string): Field<Principal> | undefined {
  const match = callerKeys.get(key);
  if (match !== undefined) return { match };
  const header = headerKey.exec(key)?.[1];
  if (header !== undefined) return { match: (value) => withHeader(header, value), httpOnly: true };
  return tokenKey.test(key) ? { match: () => nobody, httpOnly: true } : undefined;
}

/** A `when` condition. A key that is not known, and one without any value, is not understood. */
function conditionAttributes(condition: AuthorizationCondition, at: string, scope: PolicyScope): ConditionAttributes {
  const { key, values = [], notValues = [] } = condition;
  const caller = callerField(key);
  const toRequest = requestKeys.get(key);
  const given = { at: `${at} (${key})`, scope, values, notValues };
  const unknown = strangers<Principal>(condition, ['key', 'values', 'notValues'], at);
  const isEmpty = values.length + notValues.length === 0;
  if (isEmpty || (caller === undefined && toRequest === undefined))
    return { caller: [notUnderstood(given.at), ...unknown], request: [] };
  return {
    caller: [...(caller === undefined ? [] : [attribute(caller, given)]), ...unknown],
    request: toRequest === undefined ? [] : [attribute({ match: toRequest }, given)],
  };
}

function present<T>(items: readonly (T | undefined)[]): T[] {
  return items.filter((item) => item !== undefined);
}
