import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import type {
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from '#proto-gen/envoy/config/endpoint/v3/endpoint_components_pb';
import type { Init } from '../envoy/init.js';
import { socketAddress } from '../envoy/config.js';
import type { MeshEndpoint, NetworkGateway } from '../mesh-model.js';
import { compareText, sortedBy } from '../ordering.js';
import { isAddress } from '../proxy-node.js';

type Assignment = Init<typeof ClusterLoadAssignmentSchema>;

/** Where the asking proxy stands: decides which endpoints are reached through a gateway. */
export interface NetworkView {
  readonly network: string;
  /** Only endpoints of these networks; empty means all. */
  readonly requestedNetworks: readonly string[];
  readonly gateways: readonly NetworkGateway[];
}

/** Endpoints of one cluster; host names are left out, since EDS carries addresses only. */
export function endpointsFor(clusterName: string, endpoints: readonly MeshEndpoint[]): Resource {
  const usable = endpoints.filter(({ address }) => isAddress(address));
  const assignment = create(ClusterLoadAssignmentSchema, loadAssignment(clusterName, usable));
  return toResource(ClusterLoadAssignmentSchema, assignment, clusterName);
}

/** Load assignment grouped by locality; equal addresses are kept once with their weights added. */
export function loadAssignment(clusterName: string, endpoints: readonly MeshEndpoint[]): Assignment {
  const byLocality = new Map<string, MeshEndpoint[]>();
  for (const endpoint of merged(endpoints)) {
    const group = byLocality.get(endpoint.locality) ?? [];
    group.push(endpoint);
    byLocality.set(endpoint.locality, group);
  }
  const localities = [...byLocality].sort(([a], [b]) => compareText(a, b));
  return { clusterName, endpoints: localities.map(([locality, group]) => localityGroup(locality, group)) };
}

/**
 * Endpoints as one proxy reaches them: its own network directly, another network through that network's gateways, each with its
 * share of the weight. An endpoint behind a gateway must speak mutual TLS, since the gateway routes by SNI.
 */
export function reachableEndpoints(endpoints: readonly MeshEndpoint[], view: NetworkView): readonly MeshEndpoint[] {
  const wanted = new Set(view.requestedNetworks);
  const visible = endpoints.filter(({ network }) => wanted.size === 0 || network === '' || wanted.has(network));
  if (view.gateways.length === 0) return visible;
  return visible.flatMap((endpoint) => {
    const gateways = view.gateways.filter(({ network }) => network === endpoint.network);
    if (endpoint.network === '' || endpoint.network === view.network || gateways.length === 0) return [endpoint];
    if (endpoint.tlsMode !== 'istio') return [];
    const scale = scaleOf(view.gateways);
    return gateways.map(({ address, port }) => ({
      ...endpoint,
      address,
      port,
      network: '',
      weight: (endpoint.weight * scale) / gateways.length,
    }));
  });
}

/** Least common multiple of the gateways per network: weights divide exactly. */
function scaleOf(gateways: readonly NetworkGateway[]): number {
  const counts = new Map<string, number>();
  for (const { network } of gateways) counts.set(network, (counts.get(network) ?? 0) + 1);
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  return [...counts.values()].reduce((lcm, count) => (lcm * count) / gcd(lcm, count), 1);
}

function merged(endpoints: readonly MeshEndpoint[]): readonly MeshEndpoint[] {
  const byKey = new Map<string, MeshEndpoint>();
  const keyOf = (endpoint: MeshEndpoint): string => `${endpoint.locality} ${endpoint.address} ${endpoint.port}`;
  for (const endpoint of sortedBy(endpoints, (each) => `${keyOf(each)} ${each.tlsMode} ${each.workload ?? ''}`)) {
    const first = byKey.get(keyOf(endpoint));
    const weight = Math.max(1, endpoint.weight);
    byKey.set(
      keyOf(endpoint),
      first === undefined ? { ...endpoint, weight } : { ...first, weight: first.weight + weight },
    );
  }
  return [...byKey.values()];
}

function localityGroup(locality: string, group: readonly MeshEndpoint[]): Init<typeof LocalityLbEndpointsSchema> {
  const [region = '', zone = '', subZone = ''] = locality.split('/');
  return {
    ...(locality === '' ? {} : { locality: { region, zone, subZone } }),
    loadBalancingWeight: group.reduce((sum, { weight }) => sum + weight, 0),
    lbEndpoints: group.map(lbEndpoint),
  };
}

function lbEndpoint(endpoint: MeshEndpoint): Init<typeof LbEndpointSchema> {
  const { tlsMode, workload } = endpoint;
  return {
    hostIdentifier: {
      case: 'endpoint',
      value: { address: socketAddress(endpoint.address, endpoint.port) },
    },
    loadBalancingWeight: endpoint.weight,
    metadata: {
      filterMetadata: {
        ...(tlsMode === 'istio' ? { 'envoy.transport_socket_match': { tlsMode } } : {}),
        ...(workload === undefined ? {} : { istio: { workload } }),
      },
    },
  };
}
