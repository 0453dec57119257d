import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  type Cluster,
  ClusterSchema,
} from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import type { Init } from '../envoy/init.js';
import { circuitBreakers, httpProtocolOptions, upstreamHttp } from '../envoy/cluster-parts.js';
import { duration, fromAds } from '../envoy/config.js';
import type { DestinationTls, MeshService, MeshServicePort, TrafficPolicy } from '../mesh-model.js';
import { outboundCluster, sniName } from '../resource-names.js';
import { offeredAlpn } from '../identity/alpn.js';
import { meshClientTls, rawBuffer, simpleClientTls } from '../identity/transport-sockets.js';
import { loadAssignment } from './endpoints.js';
import { expectedIdentities } from './expected-identities.js';
import { placementOf } from './locality.js';
import { gatewayOutlierDetection, outlierDetectionFor } from './outlier-detection.js';

type ClusterInit = Init<typeof ClusterSchema>;

const systemCaFile = '/etc/ssl/certs/ca-certificates.crt';
const lbPolicies = {
  LEAST_REQUEST: Cluster_LbPolicy.LEAST_REQUEST,
  ROUND_ROBIN: Cluster_LbPolicy.ROUND_ROBIN,
  RANDOM: Cluster_LbPolicy.RANDOM,
} as const;

/** Everything that an outbound cluster depends on. */
export interface OutboundClusterInput {
  readonly service: MeshService;
  readonly port: MeshServicePort;
  readonly policy: TrafficPolicy;
  readonly trustDomain: string;
}

/** How the cluster of a service finds its endpoints. */
export type Discovery = 'eds' | 'dns' | 'original-destination';

export function discoveryOf(service: Pick<MeshService, 'resolution' | 'headless'>): Discovery {
  if (service.resolution === 'NONE' || service.headless) return 'original-destination';
  return service.resolution === 'DNS' ? 'dns' : 'eds';
}

/** Cluster `outbound|<port>||<host>` with automatic mutual TLS, unless a DestinationRule says otherwise. */
export function outboundClusterFor(input: OutboundClusterInput): Resource {
  const { service, port, policy } = input;
  const name = outboundCluster(port.number, service.hostname);
  const cluster: ClusterInit = {
    name,
    altStatName: `${name};`,
    connectTimeout: duration(policy.connectTimeoutMs ?? (service.throughGateways ? 3000 : 10_000)),
    circuitBreakers: circuitBreakers(policy),
    typedExtensionProtocolOptions: httpProtocolOptions(
      upstreamHttp(port.protocol, policy.upgradeToHttp2),
      policy.maxRequestsPerConnection,
    ),
    ...discoveryParts(name, input),
    ...balancingParts(input),
    ...tlsParts(input),
  };
  return toResource(ClusterSchema, create(ClusterSchema, cluster), name);
}

function discoveryParts(name: string, { service, port, policy }: OutboundClusterInput): ClusterInit {
  const type = (value: Cluster_DiscoveryType): Cluster['clusterDiscoveryType'] => ({ case: 'type', value });
  const lbPolicy = lbPolicies[policy.loadBalancer ?? 'LEAST_REQUEST'];
  switch (discoveryOf(service)) {
    case 'original-destination':
      return {
        clusterDiscoveryType: type(Cluster_DiscoveryType.ORIGINAL_DST),
        lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      };
    case 'dns':
      return {
        clusterDiscoveryType: type(Cluster_DiscoveryType.STRICT_DNS),
        lbPolicy,
        respectDnsTtl: true,
        dnsRefreshRate: duration(60_000),
        loadAssignment: loadAssignment(name, dnsEndpoints(service, port)),
      };
    case 'eds':
      return {
        clusterDiscoveryType: type(Cluster_DiscoveryType.EDS),
        lbPolicy,
        edsClusterConfig: { edsConfig: fromAds(), serviceName: name },
      };
  }
}

/** Endpoints named by the service; its own host name when it names none. */
function dnsEndpoints(service: MeshService, port: MeshServicePort): MeshService['endpoints'] {
  const named = service.endpoints.filter(({ servicePort }) => servicePort === port.number);
  if (named.length > 0) return named;
  const target = typeof port.targetPort === 'number' ? port.targetPort : port.number;
  return [
    {
      address: service.hostname,
      port: target,
      servicePort: port.number,
      tlsMode: 'disabled',
      network: '',
      locality: '',
      weight: 1,
    },
  ];
}

/** When endpoints are given up, and whether localities have weights of their own. */
function balancingParts(input: OutboundClusterInput): ClusterInit {
  const { outlierDetection, panicThreshold } = outlierParts(input);
  const weighted = placementOf(input.service, input.policy)?.distribute !== undefined;
  if (panicThreshold === undefined && !weighted) return {};
  return {
    ...(outlierDetection === undefined ? {} : { outlierDetection }),
    commonLbConfig: {
      ...(panicThreshold === undefined ? {} : { healthyPanicThreshold: { value: panicThreshold } }),
      ...(weighted ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig', value: {} } } : {}),
    },
  };
}

interface OutlierParts {
  readonly outlierDetection?: ReturnType<typeof outlierDetectionFor>;
  /** Percent of healthy endpoints below which all are tried. */
  readonly panicThreshold?: number;
}

/** With outlier detection the panic threshold is 1 %: only when every endpoint is ejected are all of them tried. */
function outlierParts({ service, policy }: OutboundClusterInput): OutlierParts {
  if (policy.outlierDetection !== undefined) {
    return {
      outlierDetection: outlierDetectionFor(policy.outlierDetection),
      panicThreshold: policy.outlierDetection.minHealthPercent ?? 0,
    };
  }
  return service.throughGateways ? { outlierDetection: gatewayOutlierDetection(), panicThreshold: 1 } : {};
}

function tlsParts(input: OutboundClusterInput): ClusterInit {
  const { service, policy } = input;
  if (policy.tls !== undefined) return explicitTls(input, policy.tls);
  if (service.location === 'MESH_EXTERNAL') return {};
  if (discoveryOf(service) === 'original-destination') {
    // An address asked for by the client carries no metadata to match on: TLS only when every known endpoint speaks it.
    const all = service.endpoints.length > 0 && service.endpoints.every(({ tlsMode }) => tlsMode === 'istio');
    return all ? { transportSocket: mutualTls(input) } : {};
  }
  return {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: mutualTls(input) },
      { name: 'tlsMode-disabled', match: {}, transportSocket: rawBuffer() },
    ],
  };
}

function explicitTls(input: OutboundClusterInput, tls: DestinationTls): ClusterInit {
  if (tls.mode === 'DISABLE') return {};
  if (tls.mode === 'ISTIO_MUTUAL') return { transportSocket: mutualTls(input) };
  return {
    transportSocket: simpleClientTls({
      sni: tls.sni ?? input.service.hostname,
      caFile: tls.caCertificates ?? systemCaFile,
      subjectAltNames: tls.subjectAltNames ?? [],
    }),
  };
}

function mutualTls({ service, port, policy, trustDomain }: OutboundClusterInput): ReturnType<typeof meshClientTls> {
  const sni = policy.tls?.sni ?? sniName(port.number, service.hostname);
  const offered = policy.upgradeToHttp2 === true ? offeredAlpn('HTTP2') : offeredAlpn(port.protocol);
  return meshClientTls(sni, offered, expectedIdentities(service, trustDomain, policy.tls?.subjectAltNames));
}
