import { create } from '@bufbuild/protobuf';
import { encoded, type Resource, toResourceWithParts } from '#proto';
import { VirtualHostSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import type { MeshService, MeshSettings } from '../mesh-model.js';
import type { ResourceCache } from '../resource-cache.js';
import { domainsFor, fallbackVirtualHost, virtualHostFor } from './virtual-host.js';

/** A service and the port of it that a route configuration serves, in order of precedence. */
export interface RoutedPort {
  readonly service: MeshService;
  readonly port: number;
}

export interface OutboundRouteInput {
  /** `<port>`, or `<host>:<port>` for a detected port with an address of its own. */
  readonly name: string;
  readonly routed: readonly RoutedPort[];
  readonly dnsDomain: string;
  readonly outboundTrafficPolicy: MeshSettings['outboundTrafficPolicy'];
}

/**
 * Outbound route configuration; a domain claimed twice stays with the first, since Envoy refuses duplicates. One service more or less
 * changes all of it: virtual hosts are encoded one by one and kept, since hundreds of them may be in it.
 */
export function outboundRouteFor(cache: Pick<ResourceCache, 'part'>, input: OutboundRouteInput): Resource {
  const taken = new Set<string>();
  const virtualHosts = input.routed.flatMap(({ service, port }) => {
    const domains = domainsFor(service, input.dnsDomain).filter((domain) => claim(taken, domain));
    if (domains.length === 0) return [];
    const key = `${port} ${service.hostname} ${String(service.throughGateways)} ${domains.join(' ')}`;
    return [cache.part('virtual host', key, () => encoded(VirtualHostSchema, virtualHostFor(service, port, domains)))];
  });
  const fallback = encoded(VirtualHostSchema, fallbackVirtualHost(input.outboundTrafficPolicy));
  const configuration = create(RouteConfigurationSchema, {
    name: input.name,
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: 1_048_576,
  });
  const parts = { field: 'virtualHosts', parts: [...virtualHosts, fallback] };
  return toResourceWithParts(RouteConfigurationSchema, configuration, input.name, parts);
}

function claim(taken: Set<string>, domain: string): boolean {
  if (taken.has(domain)) return false;
  taken.add(domain);
  return true;
}
