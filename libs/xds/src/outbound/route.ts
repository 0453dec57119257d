import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import type { MeshService, MeshSettings } from '../mesh-model.js';
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

/** Outbound route configuration; a domain claimed twice stays with the first, since Envoy refuses duplicates. */
export function outboundRouteFor(input: OutboundRouteInput): Resource {
  const taken = new Set<string>();
  const virtualHosts = input.routed.flatMap(({ service, port }) => {
    const domains = domainsFor(service, input.dnsDomain).filter((domain) => claim(taken, domain));
    return domains.length === 0 ? [] : [virtualHostFor(service, port, domains)];
  });
  const configuration = create(RouteConfigurationSchema, {
    name: input.name,
    virtualHosts: [...virtualHosts, fallbackVirtualHost(input.outboundTrafficPolicy)],
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: 1_048_576,
  });
  return toResource(RouteConfigurationSchema, configuration, input.name);
}

function claim(taken: Set<string>, domain: string): boolean {
  if (taken.has(domain)) return false;
  taken.add(domain);
  return true;
}
