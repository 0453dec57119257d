import type { PrincipalSchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import type { Init } from '../envoy/init.js';
import { escaped, prefix, regex, type StringMatch, wildcard } from '../envoy/string-match.js';
import type { AuthorizationSource } from '../mesh-model.js';
import { addressRange } from './address-range.js';
import type { Algebra, Fields, PolicyScope } from './attribute.js';

/** Who calls. */
export type Principal = Init<typeof PrincipalSchema>;

const anyone: Principal = { identifier: { case: 'any', value: true } };

export const principals: Algebra<Principal> = {
  any: anyone,
  all: (ids) => ({ identifier: { case: 'andIds', value: { ids: [...ids] } } }),
  some: (ids) => ({ identifier: { case: 'orIds', value: { ids: [...ids] } } }),
  not: (id) => ({ identifier: { case: 'notId', value: id } }),
};

/** Matches no caller: what an attribute means that nothing here can establish. */
export const nobody: Principal = principals.not(anyone);

/** Callers whose verified identity matches; plain-text callers have none. */
export function authenticated(principalName: StringMatch): Principal {
  return { identifier: { case: 'authenticated', value: { principalName } } };
}

/** Every workload of a trust domain. */
export function ofTrustDomain(trustDomain: string): Principal {
  return authenticated(prefix(`spiffe://${trustDomain}/`));
}

/** Istio's principal `<td>/ns/<ns>/sa/<sa>`, where `cluster.local` stands for our own trust domain. */
export function namedPrincipal(value: string, { trustDomain }: PolicyScope): Principal {
  const local = 'cluster.local/';
  const name = value.startsWith(local) ? `${trustDomain}/${value.slice(local.length)}` : value;
  return authenticated(wildcard(name, 'spiffe://'));
}

/** Callers from a namespace, in whatever trust domain; `*` is a wildcard. */
export function fromNamespace(value: string): Principal {
  return authenticated(regex(`.*/ns/${escaped(value).replaceAll('\\*', '.*')}/.*`));
}

/**
 * A Kubernetes service account, `<namespace>/<name>` or `<name>` in the policy's own namespace, in whatever trust domain (as Istio reads it:
 * other path segments may stand around `ns` and `sa`). It takes no wildcard.
 */
export function fromServiceAccount(value: string, { namespace }: PolicyScope): Principal | undefined {
  const parts = value.split('/');
  const [name = '', home = namespace] = parts.reverse();
  if (parts.length > 2 || name === '' || home === '' || value.includes('*')) return undefined;
  return authenticated(regex(`spiffe://.+/ns/${escaped(home)}/(.+/)?sa/${escaped(name)}(/.+)?`));
}

/** Callers of a trust domain: exact, `prefix*`, `*suffix`, or `*` for all that have one. */
export function fromTrustDomain(value: string): Principal | undefined {
  if (value === '*') return authenticated(prefix('spiffe://'));
  if (!value.includes('*')) return value === '' ? undefined : ofTrustDomain(value);
  const [head = '', ...rest] = value.split('*');
  if (rest.length > 1 || (head !== '' && rest[0] !== '')) return undefined;
  return authenticated(regex(`spiffe://${escaped(head)}[^/]*${escaped(rest.join(''))}/.*`));
}

export function fromDirectAddress(value: string): Principal | undefined {
  const range = addressRange(value);
  return range === undefined ? undefined : { identifier: { case: 'directRemoteIp', value: range } };
}

export function fromAddress(value: string): Principal | undefined {
  const range = addressRange(value);
  return range === undefined ? undefined : { identifier: { case: 'remoteIp', value: range } };
}

/** A request header, compared in Istio's wildcard notation. */
export function withHeader(name: string, value: string): Principal {
  return {
    identifier: {
      case: 'header',
      value: { name, headerMatchSpecifier: { case: 'stringMatch', value: wildcard(value) } },
    },
  };
}

/** How each field of a rule's source is matched. Request principals come from JWTs, which no filter of ours reads: nobody has one. */
export const sourceFields: Fields<AuthorizationSource, Principal> = {
  principals: { match: namedPrincipal },
  serviceAccounts: { match: fromServiceAccount },
  trustDomains: { match: fromTrustDomain },
  namespaces: { match: fromNamespace },
  ipBlocks: { match: fromDirectAddress },
  remoteIpBlocks: { match: fromAddress },
  requestPrincipals: { match: () => nobody, httpOnly: true },
};
