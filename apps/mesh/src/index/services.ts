import {
  podServiceAccount,
  podSpeaksMutualTLS,
  protocolOfPort,
  type Endpoint,
  type EndpointSlice,
  type Pod,
  type Protocol,
  type Service,
} from '#istio-api';
import type { MeshEndpoint, MeshService, MeshServicePort, PortProtocol } from '#xds';
import type { Registry } from '../registries/registry.js';
import { workloadText } from './workloads.js';

/** Label by which an EndpointSlice names its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name';
export const exportToAnnotation = 'networking.istio.io/exportTo';

export interface ServiceFacts {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  /** Pod of an endpoint's targetRef, if known. */
  readonly podOf: (endpoint: Endpoint) => Pod | undefined;
  /** The registry of the cluster that the Service is in. */
  readonly registry: Registry;
}

const portProtocols: Readonly<Record<Protocol, PortProtocol>> = {
  HTTP: 'HTTP',
  HTTP2: 'HTTP2',
  GRPC: 'GRPC',
  'GRPC-Web': 'HTTP',
  HTTPS: 'TLS',
  TLS: 'TLS',
  TCP: 'TCP',
  Mongo: 'TCP',
  MySQL: 'TCP',
  Redis: 'TCP',
  UDP: 'UDP',
  auto: 'auto',
};

/** What proxies make of a protocol: HTTPS is opaque TLS to them, databases are TCP. */
export function portProtocol(protocol: Protocol): PortProtocol {
  return portProtocols[protocol];
}

/** A Service with its endpoints; undefined for ExternalName, which is a matter of DNS. */
export function meshServiceFrom(facts: ServiceFacts): MeshService | undefined {
  const { service, registry } = facts;
  const { metadata = {}, spec = {} } = service;
  const { name = '', namespace = 'default', annotations = {} } = metadata;
  if (spec.type === 'ExternalName') return undefined;
  const headless = spec.clusterIP === 'None';
  const ports = (spec.ports ?? []).map((port): MeshServicePort => {
    const { targetPort } = port;
    return {
      name: port.name ?? '',
      number: port.port,
      ...(targetPort === undefined ? {} : { targetPort }),
      protocol: portProtocol(protocolOfPort(port)),
    };
  });
  const selector = spec.selector;
  return {
    hostname: `${name}.${namespace}.svc.${registry.clusterDomain}`,
    name,
    namespace,
    registry: 'Kubernetes',
    location: 'MESH_INTERNAL',
    resolution: headless ? 'NONE' : 'STATIC',
    addresses: headless ? [] : virtualAddresses(spec),
    ports,
    exportTo: listOf(annotations[exportToAnnotation]),
    createdAt: createdAt(metadata.creationTimestamp),
    ...(selector === undefined || Object.keys(selector).length === 0 ? {} : { selector }),
    subjectAltNames: [],
    sanPrefixes: [],
    headless,
    throughGateways: false,
    endpoints: endpointsOf(facts, ports),
  };
}

export function createdAt(timestamp: string | undefined): number {
  const milliseconds = Date.parse(timestamp ?? '');
  return Number.isNaN(milliseconds) ? 0 : milliseconds;
}

function virtualAddresses(spec: NonNullable<Service['spec']>): readonly string[] {
  const all = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  return all.filter((address) => address !== '' && address !== 'None');
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Ready endpoints, one per service port; the same one may stand in two slices while they are rewritten. */
function endpointsOf(facts: ServiceFacts, ports: readonly MeshServicePort[]): readonly MeshEndpoint[] {
  const found = new Map<string, MeshEndpoint>();
  for (const slice of facts.slices) {
    if (slice.addressType === 'FQDN') continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (!isReady(endpoint)) continue;
      for (const each of portsOf(slice, endpoint, ports)) {
        found.set(`${each.address}|${each.port}|${each.servicePort}`, { ...each, ...aboutPod(facts, endpoint, each) });
      }
    }
  }
  return [...found.values()];
}

/** An unset condition means ready (EndpointSlice API). */
function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false && conditions?.terminating !== true;
}

type Placed = Pick<MeshEndpoint, 'address' | 'port' | 'servicePort'>;

function portsOf(slice: EndpointSlice, endpoint: Endpoint, ports: readonly MeshServicePort[]): readonly Placed[] {
  const [address] = endpoint.addresses;
  if (address === undefined) return [];
  return (slice.ports ?? []).flatMap(({ name, port }) => {
    const servicePort = ports.find((candidate) => candidate.name === (name ?? ''));
    return port === undefined || servicePort === undefined ? [] : [{ address, port, servicePort: servicePort.number }];
  });
}

function aboutPod(
  { podOf, registry }: ServiceFacts,
  endpoint: Endpoint,
  { address }: Placed,
): Omit<MeshEndpoint, keyof Placed> {
  const pod = podOf(endpoint);
  const place = {
    network: registry.networkOf(pod, address),
    locality: registry.localityOf(pod, endpoint.nodeName),
    weight: 1,
    ...(registry.remote ? { cluster: registry.clusterID } : {}),
  };
  if (pod === undefined) return { tlsMode: 'disabled', ...place };
  const namespace = pod.metadata?.namespace ?? 'default';
  return {
    tlsMode: podSpeaksMutualTLS(pod) ? 'istio' : 'disabled',
    ...place,
    identity: `spiffe://${registry.trustDomain}/ns/${namespace}/sa/${podServiceAccount(pod)}`,
    workload: workloadText(pod, registry.clusterID),
    ...registry.failoverLabelsOf(pod),
  };
}
