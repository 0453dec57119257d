import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import type {
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from '#proto-gen/envoy/config/endpoint/v3/endpoint_components_pb';
import type { Init } from '../envoy/init.js';
import { socketAddress } from '../envoy/config.js';
import type { ClusterGateways, MeshEndpoint, MeshModel } from '../mesh-model.js';
import { isAddress } from '../proxy-node.js';
import { type EndpointGroup, placedEndpoints, type Placing } from './placed-endpoints.js';

type Assignment = Init<typeof ClusterLoadAssignmentSchema>;

/** Where the asking proxy stands: decides which endpoints are reached through a gateway. */
export interface NetworkView extends Pick<MeshModel, 'networkGateways' | 'clusterGateways'> {
  readonly network: string;
  /** Only endpoints of these networks; empty means all. */
  readonly requestedNetworks: readonly string[];
}

/** Straight, or through one of these gateways; none = not at all. */
export type Way = 'direct' | Required<ClusterGateways>['gateways'];

/** Endpoints of one cluster; host names are left out, since EDS carries addresses only. */
export function endpointsFor(clusterName: string, endpoints: readonly MeshEndpoint[], placing?: Placing): Resource {
  const usable = endpoints.filter(({ address }) => isAddress(address));
  const assignment = create(ClusterLoadAssignmentSchema, loadAssignment(clusterName, usable, placing));
  return toResource(ClusterLoadAssignmentSchema, assignment, clusterName);
}

/** Load assignment by priority and locality; equal addresses are kept once with their weights added. */
export function loadAssignment(clusterName: string, endpoints: readonly MeshEndpoint[], placing?: Placing): Assignment {
  return { clusterName, endpoints: placedEndpoints(endpoints, placing).map(localityGroup) };
}

/** How one network reaches endpoints: its own directly, others by their cluster's own gateways, else by their network's. */
export function wayTo(view: Omit<NetworkView, 'requestedNetworks'>): (endpoint: MeshEndpoint) => Way {
  const gatewaysOf = Map.groupBy(view.networkGateways, ({ network }) => network);
  const clusters = new Map(view.clusterGateways.map((each) => [each.cluster, each]));
  return ({ network, cluster = '' }) => {
    if (network !== '' && network === view.network) return 'direct';
    const own = clusters.get(cluster);
    // What does not say its network is on its cluster's.
    if (own !== undefined && (network === '' || network === own.network)) return own.gateways ?? 'direct';
    const ofNetwork = network === '' ? undefined : gatewaysOf.get(network);
    return ofNetwork?.flatMap(({ address, port }) => (address === undefined ? [] : [{ address, port }])) ?? 'direct';
  };
}

/**
 * Endpoints as one proxy reaches them, those behind gateways replaced by these, each with its share of the weight. Such an endpoint must
 * speak mutual TLS, since the gateway routes by SNI; one with gateways of which no address is known is left out.
 */
export function reachableEndpoints(endpoints: readonly MeshEndpoint[], view: NetworkView): readonly MeshEndpoint[] {
  const wanted = new Set(view.requestedNetworks);
  const visible = endpoints.filter(({ network }) => wanted.size === 0 || network === '' || wanted.has(network));
  if (view.networkGateways.length + view.clusterGateways.length === 0) return visible;
  const wayOf = wayTo(view);
  const ways = visible.map((endpoint) => ({ endpoint, way: wayOf(endpoint) }));
  const scale = scaleOf(ways.map(({ way }) => (way === 'direct' ? 1 : way.length)));
  return ways.flatMap(({ endpoint, way }) => {
    if (way === 'direct') return [scale === 1 ? endpoint : { ...endpoint, weight: endpoint.weight * scale }];
    if (endpoint.tlsMode !== 'istio') return [];
    const weight = Math.ceil((endpoint.weight * scale) / way.length);
    return way.map(({ address, port }) => ({ ...endpoint, address, port, weight, ...workloadBehind(endpoint) }));
  });
}

/** Of all the pods behind a gateway only the cluster can be told. */
function workloadBehind({ cluster }: MeshEndpoint): Pick<MeshEndpoint, 'workload'> {
  return cluster === undefined ? {} : { workload: `;;;;${cluster}` };
}

/** Weights are whole numbers, so that all are told this many times as big; beyond it rounding no longer shows. */
const mostScale = 5040;

/** Least common multiple of the numbers of gateways: weights divide exactly. */
function scaleOf(counts: readonly number[]): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  const distinct = [...new Set(counts)].filter((count) => count > 0);
  return distinct.reduce((lcm, count) => Math.min(mostScale, (lcm * count) / gcd(lcm, count)), 1);
}

function localityGroup({
  locality,
  priority,
  weight,
  endpoints,
}: EndpointGroup): Init<typeof LocalityLbEndpointsSchema> {
  const [region = '', zone = '', subZone = ''] = locality.split('/');
  return {
    ...(locality === '' ? {} : { locality: { region, zone, subZone } }),
    priority,
    loadBalancingWeight: weight,
    lbEndpoints: endpoints.map(lbEndpoint),
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
