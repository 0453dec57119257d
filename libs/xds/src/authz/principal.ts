import type { PrincipalSchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import { cidrRange } from '../envoy/config.js';
import type { Init } from '../envoy/init.js';
import { escaped, prefix, regex, type StringMatch, wildcard } from '../envoy/string-match.js';
import type { AuthorizationSource } from '../mesh-model.js';
import { type Algebra, type Attribute, attribute } from './attribute.js';

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
export function namedPrincipal(value: string, trustDomain: string): Principal {
  const local = 'cluster.local/';
  const name = value.startsWith(local) ? `${trustDomain}/${value.slice(local.length)}` : value;
  return authenticated(wildcard(name, 'spiffe://'));
}

/** Callers from a namespace, in whatever trust domain; `*` is a wildcard. */
export function fromNamespace(value: string): Principal {
  return authenticated(regex(`.*/ns/${escaped(value).replaceAll('\\*', '.*')}/.*`));
}

export function fromDirectAddress(range: string): Principal {
  return { identifier: { case: 'directRemoteIp', value: cidrRange(range) } };
}

export function fromAddress(range: string): Principal {
  return { identifier: { case: 'remoteIp', value: cidrRange(range) } };
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

/** Attributes of a rule's source. Request principals come from JWTs, which no filter of ours reads: nobody has one. */
export function sourceAttributes(source: AuthorizationSource, trustDomain: string): readonly Attribute<Principal>[] {
  return [
    attribute(source.principals, source.notPrincipals, (value) => namedPrincipal(value, trustDomain)),
    attribute(source.namespaces, source.notNamespaces, fromNamespace),
    attribute(source.ipBlocks, source.notIpBlocks, fromDirectAddress),
    attribute(source.remoteIpBlocks, source.notRemoteIpBlocks, fromAddress),
    attribute(source.requestPrincipals, source.notRequestPrincipals, () => nobody, true),
  ];
}
