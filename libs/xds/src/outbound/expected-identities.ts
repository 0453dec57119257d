import type { MeshService } from '../mesh-model.js';
import type { ExpectedIdentities } from '../identity/transport-sockets.js';

/**
 * Who may answer for a service (trust rule 8): the identities it names and those of its endpoints; else the prefix its peer's
 * trust domain allows; else, for a service of this mesh whose endpoints are not known yet, its namespace in our trust domain.
 */
export function expectedIdentities(
  service: MeshService,
  trustDomain: string,
  overriding: readonly string[] = [],
): ExpectedIdentities {
  if (overriding.length > 0) return { exact: overriding, prefixes: [] };
  const ofEndpoints = service.endpoints.flatMap(({ identity }) => (identity === undefined ? [] : [identity]));
  const named = [...service.subjectAltNames, ...ofEndpoints];
  if (named.length + service.sanPrefixes.length > 0) return { exact: named, prefixes: service.sanPrefixes };
  return { exact: [], prefixes: [`spiffe://${trustDomain}/ns/${service.namespace}/`] };
}
