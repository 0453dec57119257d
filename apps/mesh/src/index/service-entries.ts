import {
  protocolFromWord,
  type Pod,
  type ServiceEntry,
  type ServiceEntryEndpoint,
  type ServiceEntrySpec,
} from '#istio-api';
import { podAddresses, podServiceAccount, podSpeaksMutualTLS } from '#istio-api';
import { annotations as annotationNames, labels as labelNames } from '#model';
import type { MeshCluster, MeshEndpoint, MeshService, MeshServicePort, Resolution, TlsMode } from '#xds';
import { createdAt, portProtocol } from './services.js';
import type { Registry } from '../registries/registry.js';
import { workloadText } from './workloads.js';

export interface ServiceEntryFacts {
  readonly entry: ServiceEntry;
  /** Live pods of the entry's namespace that its workloadSelector selects. */
  readonly pods: readonly Pod[];
  /** Addresses behind a host name now; undefined = not known (yet). */
  readonly resolve: (host: string) => readonly string[] | undefined;
  readonly cluster: MeshCluster;
  /** Our own cluster's, which says where pods are. */
  readonly registry: Registry;
}

const resolutions: Readonly<Record<NonNullable<ServiceEntrySpec['resolution']>, Resolution>> = {
  NONE: 'NONE',
  STATIC: 'STATIC',
  DNS: 'DNS',
  DNS_ROUND_ROBIN: 'DNS',
  DYNAMIC_DNS: 'DNS',
};

/** Names behind which gateways of peers stand: resolved by us, proxies get addresses. */
export function gatewayHostsOf(entry: ServiceEntry): readonly string[] {
  if (!leadsThroughGateways(entry)) return [];
  return (entry.spec?.endpoints ?? []).flatMap(({ address }) =>
    address === undefined || isAddress(address) ? [] : [address],
  );
}

/** One service per host of the entry. */
export function meshServicesFrom(facts: ServiceEntryFacts): readonly MeshService[] {
  const { entry, cluster } = facts;
  const { metadata = {}, spec } = entry;
  if (spec === undefined) return [];
  const gateways = leadsThroughGateways(entry);
  const ports = portsOf(spec);
  const sans = sanPrefixesOf(entry);
  const endpoints = [...listedEndpoints(facts, ports, gateways), ...selectedEndpoints(facts, ports)];
  return spec.hosts.map((host) => ({
    hostname: host.toLowerCase().replace(/\.$/, ''),
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? cluster.rootNamespace,
    registry: 'External',
    location: spec.location ?? 'MESH_EXTERNAL',
    resolution: gateways ? 'STATIC' : resolutions[spec.resolution ?? 'NONE'],
    addresses: addressesOf(entry, host),
    ports,
    exportTo: spec.exportTo ?? [],
    createdAt: createdAt(metadata.creationTimestamp),
    subjectAltNames: [...(spec.subjectAltNames ?? []), ...sans.exact],
    sanPrefixes: sans.prefixes,
    headless: false,
    throughGateways: gateways,
    endpoints: endpoints.length === 0 && spec.resolution === 'DNS' && !gateways ? byItsOwnName(host, ports) : endpoints,
  }));
}

/** Entries that the controller wrote for services of peers. */
function leadsThroughGateways({ metadata }: ServiceEntry): boolean {
  return metadata?.annotations?.[annotationNames.peers] !== undefined;
}

/** The annotation holds prefixes, which end in a slash, and beside them whole identities. */
function sanPrefixesOf({ metadata }: ServiceEntry): { readonly prefixes: string[]; readonly exact: string[] } {
  const all = (metadata?.annotations?.[annotationNames.sanPrefix] ?? '').split(',').filter((item) => item !== '');
  return { prefixes: all.filter((item) => item.endsWith('/')), exact: all.filter((item) => !item.endsWith('/')) };
}

function portsOf(spec: ServiceEntrySpec): readonly MeshServicePort[] {
  return (spec.ports ?? []).map(({ name, number, targetPort, protocol }) => ({
    name,
    number,
    ...(targetPort === undefined ? {} : { targetPort }),
    protocol: portProtocol(protocolFromWord(protocol) ?? 'TCP'),
  }));
}

/** Of an import whose status is still to come the annotation tells the same: proxies get one change instead of two. */
function addressesOf(entry: ServiceEntry, host: string): readonly string[] {
  const { metadata, spec, status } = entry;
  const own = spec?.addresses ?? [];
  if (own.length > 0) return own;
  const allocated = (status?.addresses ?? [])
    .filter((each) => each.host === undefined || each.host === host)
    .map(({ value }) => value);
  const coming = metadata?.annotations?.[annotationNames.virtualAddress];
  return allocated.length > 0 || coming === undefined || !leadsThroughGateways(entry) ? allocated : [coming];
}

function listedEndpoints(
  facts: ServiceEntryFacts,
  ports: readonly MeshServicePort[],
  gateways: boolean,
): readonly MeshEndpoint[] {
  return (facts.entry.spec?.endpoints ?? []).flatMap((endpoint) => {
    const { address } = endpoint;
    if (address === undefined || address === '') return [];
    const resolved = gateways && !isAddress(address) ? (facts.resolve(address) ?? []) : [address];
    return resolved.flatMap((each) => ports.map((port) => endpointFrom(facts, endpoint, { address: each, port })));
  });
}

interface Place {
  readonly address: string;
  readonly port: MeshServicePort;
}

function endpointFrom(
  { entry, cluster }: ServiceEntryFacts,
  endpoint: ServiceEntryEndpoint,
  { address, port }: Place,
): MeshEndpoint {
  const { serviceAccount, labels = {} } = endpoint;
  const namespace = entry.metadata?.namespace ?? cluster.rootNamespace;
  return {
    address,
    port: endpoint.ports?.[port.name] ?? numberOf(port),
    servicePort: port.number,
    tlsMode: tlsModeOf(labels[labelNames.tlsMode], serviceAccount),
    network: endpoint.network ?? '',
    locality: endpoint.locality ?? '',
    weight: Math.max(1, endpoint.weight ?? 1),
    ...(serviceAccount === undefined
      ? {}
      : { identity: `spiffe://${cluster.trustDomain}/ns/${namespace}/sa/${serviceAccount}` }),
  };
}

function tlsModeOf(label: string | undefined, serviceAccount: string | undefined): TlsMode {
  if (label !== undefined) return label === 'istio' ? 'istio' : 'disabled';
  return serviceAccount === undefined ? 'disabled' : 'istio';
}

function numberOf({ targetPort, number }: MeshServicePort): number {
  return typeof targetPort === 'number' ? targetPort : number;
}

function selectedEndpoints(
  { pods, cluster, registry }: ServiceEntryFacts,
  ports: readonly MeshServicePort[],
): readonly MeshEndpoint[] {
  return pods.flatMap((pod) => {
    const [address] = podAddresses(pod);
    if (address === undefined) return [];
    const namespace = pod.metadata?.namespace ?? 'default';
    return ports.map((port) => ({
      address,
      port: numberOf(port),
      servicePort: port.number,
      tlsMode: podSpeaksMutualTLS(pod) ? ('istio' as const) : ('disabled' as const),
      network: registry.networkOf(pod, address),
      locality: registry.localityOf(pod),
      weight: 1,
      identity: `spiffe://${cluster.trustDomain}/ns/${namespace}/sa/${podServiceAccount(pod)}`,
      workload: workloadText(pod, cluster.clusterID),
      ...registry.failoverLabelsOf(pod),
    }));
  });
}

/** A DNS entry without endpoints means the host itself. */
function byItsOwnName(host: string, ports: readonly MeshServicePort[]): readonly MeshEndpoint[] {
  return ports.map((port) => ({
    address: host,
    port: numberOf(port),
    servicePort: port.number,
    tlsMode: 'disabled',
    network: '',
    locality: '',
    weight: 1,
  }));
}

function isAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || text.includes(':');
}
