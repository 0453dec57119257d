import { securityApiVersion } from '#istio-api';
import type { AuthorizationPolicy, AuthorizationRule } from '#istio-api';
import { adler32 } from '#model';
import type { Grant } from './grants.js';
import { producedLabels } from './mesh-facts.js';
import type { MeshFacts } from './mesh-facts.js';

/** Istio reads this trust domain in a principal as its own, whatever that is: a DENY of it would shut out our own workloads. */
const aliasOfEveryMesh = 'cluster.local';

/**
 * The grants as Istio objects, so that a stock istiod enforces them too: one DENY in the root namespace for each foreign trust
 * domain, which Istio evaluates before every ALLOW of a user. Istio's selectors cannot say "all workloads but these", so the
 * call is known by its SNI, `outbound_.<port>_._.<host>`: the gateway routes by it, so an exported name reaches only that
 * Service. A second rule shuts every port on which nothing at all is exported to the domain; it narrows what a forged SNI could
 * reach where pod networks are flat. `mesh` itself enforces `grantsFor` port by port and does not need these objects.
 */
export function authorizationPoliciesFor(mesh: MeshFacts, grants: readonly Grant[]): readonly AuthorizationPolicy[] {
  const tellable = grants.filter(({ trustDomain }) => trustDomain !== aliasOfEveryMesh);
  return tellable.map((grant) => ({
    apiVersion: securityApiVersion,
    kind: 'AuthorizationPolicy',
    metadata: { name: policyName(grant.trustDomain), namespace: mesh.rootNamespace, labels: producedLabels },
    spec: { action: 'DENY', rules: rulesFor(grant) },
  }));
}

/** SNI by which a gateway knows one port of one host (Istio's SNI-DNAT form, no subset). */
export function sniFor(hostname: string, port: number): string {
  return `outbound_.${port}_._.${hostname}`;
}

function rulesFor({ trustDomain, allowed }: Grant): readonly AuthorizationRule[] {
  const from = [{ source: { principals: [`${trustDomain}/*`] } }];
  const exported = allowed.flatMap(({ hostname, ports }) => ports.map(({ port }) => sniFor(hostname, port)));
  if (exported.length === 0) return [{ from }];
  const byName: AuthorizationRule = { from, when: [{ key: 'connection.sni', notValues: exported }] };
  const ports = allowed.flatMap((workload) => workload.ports.map(({ targetPort }) => targetPort));
  // A named target port differs from pod to pod: then there is no list of ports that could be shut.
  if (ports.some((port) => typeof port === 'string')) return [byName];
  const open = [...new Set(ports.map(Number))].sort((a, b) => a - b).map(String);
  return [byName, { from, to: [{ operation: { notPorts: open } }] }];
}

const objectName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const longestDomain = 200;

/** Trust domains may hold what object names may not: then a checksum keeps two of them apart. */
function policyName(trustDomain: string): string {
  if (objectName.test(trustDomain) && trustDomain.length <= longestDomain) return `isthmus-deny-${trustDomain}`;
  const safe = trustDomain
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, longestDomain);
  return `isthmus-deny-${safe}-${adler32(trustDomain)}`;
}
