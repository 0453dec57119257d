import type { PermissionSchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import type { Init } from '../envoy/init.js';
import { regex, type StringMatch, wildcard } from '../envoy/string-match.js';
import type { AuthorizationOperation } from '../mesh-model.js';
import { addressRange } from './address-range.js';
import type { Algebra, Fields } from './attribute.js';

/** What is asked for. */
export type Permission = Init<typeof PermissionSchema>;

const anything: Permission = { rule: { case: 'any', value: true } };

export const permissions: Algebra<Permission> = {
  any: anything,
  all: (rules) => ({ rule: { case: 'andRules', value: { rules: [...rules] } } }),
  some: (rules) => ({ rule: { case: 'orRules', value: { rules: [...rules] } } }),
  not: (rule) => ({ rule: { case: 'notRule', value: rule } }),
};

/** How each field of a rule's operation is matched. */
export const operationFields: Fields<AuthorizationOperation, Permission> = {
  hosts: { match: (value) => header(':authority', ignoringCase(value)), httpOnly: true },
  ports: { match: toPort },
  methods: { match: (value) => header(':method', wildcard(value)), httpOnly: true },
  paths: { match: toPath, httpOnly: true },
};

export function toPort(value: string): Permission | undefined {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) return undefined;
  return { rule: { case: 'destinationPort', value: Number(value) } };
}

export function toAddress(value: string): Permission | undefined {
  const range = addressRange(value);
  return range === undefined ? undefined : { rule: { case: 'destinationIp', value: range } };
}

export function withServerName(value: string): Permission {
  return { rule: { case: 'requestedServerName', value: wildcard(value) } };
}

function toPath(value: string): Permission {
  const path = value.includes('{') ? regex(templateRegex(value)) : wildcard(value);
  return { rule: { case: 'urlPath', value: { rule: { case: 'path', value: path } } } };
}

/** Path templates: `{*}` is one segment, `{**}` any number of them. */
function templateRegex(template: string): string {
  return template
    .split(/(\{\*\*?\})/)
    .map((part) => (part === '{*}' ? '[^/]+' : part === '{**}' ? '.*' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
}

function ignoringCase(value: string): StringMatch {
  const match = wildcard(value);
  return match.matchPattern?.case === 'safeRegex' ? match : { ...match, ignoreCase: true };
}

function header(name: string, value: StringMatch): Permission {
  return { rule: { case: 'header', value: { name, headerMatchSpecifier: { case: 'stringMatch', value } } } };
}
