import { sortedBy, sortedUnique } from '#model';
import type { MeshEndpoint, MeshModel, MeshService } from '../mesh-model.js';
import { onePerHostname } from '../outbound/visible-services.js';
import type { ProxyNode } from '../proxy-node.js';
import { sniName } from '../resource-names.js';

/** One exported service port as the gateway forwards it. */
export interface GatewayTarget {
  readonly serverName: string;
  readonly endpoints: readonly MeshEndpoint[];
}

/** Everything that a gateway's configuration depends on, sorted by server name. */
export type GatewayFacts = readonly GatewayTarget[];

/**
 * Exported ports of Services that exist, each with the endpoints that a gateway may pass TLS to: ready ones of its own cluster and
 * network that speak mutual TLS themselves, since the gateway authenticates nobody. Never another cluster's: that would be a circle.
 */
export function gatewayFacts(model: MeshModel, services: readonly MeshService[], proxy: ProxyNode): GatewayFacts {
  const networks = new Set([
    '',
    ...(proxy.requestedNetworks.length > 0 ? proxy.requestedNetworks : [proxy.network || model.cluster.network]),
  ]);
  const internal = services.filter(({ location }) => location === 'MESH_INTERNAL');
  const local = new Map(onePerHostname(internal, proxy.namespace).map((service) => [service.hostname, service]));
  const exported = new Map<string, GatewayTarget>();
  for (const { hostname, ports } of model.gatewayExports) {
    for (const number of ports) {
      const service = local.get(hostname);
      const port = service?.ports.find((candidate) => candidate.number === number);
      if (service === undefined || port === undefined || port.protocol === 'UDP') continue;
      const serverName = sniName(number, hostname);
      const endpoints = service.endpoints.filter(
        (endpoint) =>
          endpoint.servicePort === number &&
          endpoint.tlsMode === 'istio' &&
          endpoint.cluster === undefined &&
          networks.has(endpoint.network),
      );
      exported.set(serverName, { serverName, endpoints: sortedBy(endpoints, (each) => JSON.stringify(each)) });
    }
  }
  return sortedUnique([...exported.keys()]).flatMap((name) => exported.get(name) ?? []);
}
