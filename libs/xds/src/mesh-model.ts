import type { EffectiveMode, ModePolicy } from '#istio-api';

/**
 * Everything the mesh core knows, as one immutable value. The mesh process fills it from its informers; the builders of this
 * library turn it into xDS. Lists may come in any order: every builder sorts. Host names are lower-case FQDNs without a final dot.
 * An object that did not change should keep its identity between two models: what was encoded for it is then found again faster.
 */
export interface MeshModel {
  readonly cluster: MeshCluster;
  readonly settings: MeshSettings;
  readonly workloads: readonly Workload[];
  readonly services: readonly MeshService[];
  readonly destinationRules: readonly DestinationRule[];
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly trust: MeshTrust;
  /** Per peer trust domain: which workload ports its identities reach (trust rule 9). A trust domain without grant reaches none. */
  readonly grants: readonly PeerGrant[];
  /** What the east-west gateway forwards; exactly these host names and service ports have an SNI there. */
  readonly gatewayExports: readonly GatewayExport[];
  /** Gateways of other networks, for endpoints whose network is not the proxy's (multicluster). */
  readonly networkGateways: readonly NetworkGateway[];
  /** How endpoints of other clusters are reached, where this is known: it goes before what holds for their network. */
  readonly clusterGateways: readonly ClusterGateways[];
}

/** Facts of this cluster that names and identities are made of. */
export interface MeshCluster {
  readonly clusterID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly network: string;
  /** Namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string;
}

export interface MeshSettings {
  /** Where traffic to unknown addresses goes (Istio's meshConfig.outboundTrafficPolicy.mode). */
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
}

export const defaultMeshSettings: MeshSettings = { outboundTrafficPolicy: 'ALLOW_ANY' };

/** A Pod (or whatever runs a proxy) as policies and inbound configuration see it. */
export interface Workload {
  /** Addresses of the pod; the first is its identity for look-ups. */
  readonly addresses: readonly string[];
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ready: boolean;
  readonly tlsMode: TlsMode;
  readonly network: string;
  readonly node?: string;
  /** `region/zone/subzone` of its node; absent when the node does not say. */
  readonly locality?: string;
  /** Container ports by name, for Services whose targetPort is a name. */
  readonly namedPorts: Readonly<Record<string, number>>;
}

/** `istio`: the endpoint's proxy speaks mutual TLS. */
export type TlsMode = 'istio' | 'disabled';

/** What is known about a port's protocol; `auto` is detected per connection. */
export type PortProtocol = 'HTTP' | 'HTTP2' | 'GRPC' | 'TCP' | 'TLS' | 'UDP' | 'auto';

export interface MeshServicePort {
  readonly name: string;
  readonly number: number;
  /** Port of the workload, or its name there; the service port itself when absent. */
  readonly targetPort?: number | string;
  readonly protocol: PortProtocol;
}

/** How a proxy finds endpoints: told (`STATIC`), by DNS, or the address the client asked for (`NONE`, headless). */
export type Resolution = 'STATIC' | 'DNS' | 'NONE';

/** A Kubernetes Service or one host of a ServiceEntry. */
export interface MeshService {
  readonly hostname: string;
  readonly name: string;
  readonly namespace: string;
  readonly registry: 'Kubernetes' | 'External';
  readonly location: 'MESH_INTERNAL' | 'MESH_EXTERNAL';
  readonly resolution: Resolution;
  /** Virtual addresses; for a ServiceEntry those of spec.addresses or, failing these, status.addresses. Empty when headless. */
  readonly addresses: readonly string[];
  readonly ports: readonly MeshServicePort[];
  /** Namespaces that see the service: names, `.` (own) or `*`; empty means all. */
  readonly exportTo: readonly string[];
  /** Unix milliseconds; the older object wins a conflict. */
  readonly createdAt: number;
  /** Pod labels of a Service with a selector; absent when it selects nothing. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Identities (URI SANs) a server may present; added to those of the endpoints' service accounts. */
  readonly subjectAltNames: readonly string[];
  /** URI SAN prefixes accepted instead, where a peer names no identities (trust rule 8). */
  readonly sanPrefixes: readonly string[];
  readonly headless: boolean;
  /** True when endpoints may be gateways of a peer: losing one must be noticed and got round. */
  readonly throughGateways: boolean;
  /** Other clusters that have the service too, by namespace sameness (multicluster); absent where there are none. */
  readonly remoteClusters?: readonly string[];
  readonly endpoints: readonly MeshEndpoint[];
}

/** One ready endpoint of one service port. */
export interface MeshEndpoint {
  /** IP address, or a host name when the service's resolution is DNS. */
  readonly address: string;
  readonly port: number;
  /** Number of the service port this endpoint belongs to. */
  readonly servicePort: number;
  readonly tlsMode: TlsMode;
  /** Empty when the endpoint is directly reachable from everywhere. */
  readonly network: string;
  /** `region/zone/subzone`, or empty. */
  readonly locality: string;
  /** Relative weight, at least 1. */
  readonly weight: number;
  /** SPIFFE id of the workload, when known. */
  readonly identity?: string;
  /** Istio's `<workload>;<namespace>;<canonical name>;<canonical revision>;<cluster id>`. */
  readonly workload?: string;
  /** ID of the other cluster that the endpoint is in; absent = this one. */
  readonly cluster?: string;
  /** Labels of the pod that some DestinationRule's failoverPriority names. */
  readonly labels?: Readonly<Record<string, string>>;
}

export type DestinationTlsMode = 'DISABLE' | 'SIMPLE' | 'ISTIO_MUTUAL';

/** How to speak TLS to a destination; absent means automatic mutual TLS. */
export interface DestinationTls {
  readonly mode: DestinationTlsMode;
  readonly sni?: string;
  readonly subjectAltNames?: readonly string[];
  /** Path of a CA bundle in the proxy (SIMPLE); the system's when absent. */
  readonly caCertificates?: string;
}

export interface OutlierDetection {
  readonly consecutive5xxErrors?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly consecutiveLocalOriginFailures?: number;
  readonly splitExternalLocalOriginErrors?: boolean;
  readonly intervalMs?: number;
  readonly baseEjectionTimeMs?: number;
  readonly maxEjectionPercent?: number;
  readonly minHealthPercent?: number;
}

export interface TrafficPolicy {
  readonly tls?: DestinationTls;
  readonly loadBalancer?: 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM';
  readonly connectTimeoutMs?: number;
  readonly maxConnections?: number;
  readonly http1MaxPendingRequests?: number;
  readonly http2MaxRequests?: number;
  readonly maxRequestsPerConnection?: number;
  readonly upgradeToHttp2?: boolean;
  readonly outlierDetection?: OutlierDetection;
  readonly locality?: LocalityPolicy;
}

/** A DestinationRule's localityLbSetting, and ours beside it. Localities are `region/zone/subzone`, where `*` stands for any. */
export interface LocalityPolicy {
  /** False: localities do not matter. */
  readonly enabled?: boolean;
  readonly distribute?: readonly LocalityDistribution[];
  readonly failover?: readonly RegionFailover[];
  /** Label names, `name` or `name=value`, the most important first. */
  readonly failoverPriority?: readonly string[];
  /** Annotation `isthmus.dev/failover`: what `distribute` does not name stays as a fallback, in this order. */
  readonly distributeFailover?: readonly RegionFailover[];
}

export interface LocalityDistribution {
  readonly from: string;
  /** Percent by locality. */
  readonly to: Readonly<Record<string, number>>;
}

/** Where a region's traffic goes next; several with one `from` are tried in order. */
export interface RegionFailover {
  readonly from: string;
  readonly to: string;
}

/** A DestinationRule's part that clusters need; `host` is resolved to an FQDN or a `*.` wildcard. */
export interface DestinationRule {
  readonly name: string;
  readonly namespace: string;
  readonly host: string;
  readonly exportTo: readonly string[];
  readonly createdAt: number;
  readonly trafficPolicy: TrafficPolicy;
  /** By service port number; replaces the whole policy for that port. */
  readonly portPolicies: Readonly<Record<number, TrafficPolicy>>;
}

export type MutualTlsMode = EffectiveMode;

export type PeerAuthentication = ModePolicy;

/** Istio's AuthorizationPolicy; `rules` has the shape of its spec. */
export interface AuthorizationPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly action: 'ALLOW' | 'DENY';
  readonly selector?: Readonly<Record<string, string>>;
  readonly rules: readonly AuthorizationRule[];
}

export interface AuthorizationRule {
  readonly from?: readonly { readonly source?: AuthorizationSource }[];
  readonly to?: readonly { readonly operation?: AuthorizationOperation }[];
  readonly when?: readonly AuthorizationCondition[];
}

export interface AuthorizationSource {
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  /** `<namespace>/<name>`, or `<name>` in the policy's own namespace; no wildcards. */
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  readonly trustDomains?: readonly string[];
  readonly notTrustDomains?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
  readonly remoteIpBlocks?: readonly string[];
  readonly notRemoteIpBlocks?: readonly string[];
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
}

export interface AuthorizationOperation {
  readonly hosts?: readonly string[];
  readonly notHosts?: readonly string[];
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  readonly methods?: readonly string[];
  readonly notMethods?: readonly string[];
  readonly paths?: readonly string[];
  readonly notPaths?: readonly string[];
}

export interface AuthorizationCondition {
  readonly key: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
}

/** Who may vouch for whom (trust rule 8): one bundle per trust domain. */
export interface MeshTrust {
  /** This cluster's own roots, one PEM certificate each. */
  readonly roots: readonly string[];
  /** This cluster's own revocation lists, PEM; a complete, unexpired set or nothing, as peers' are. */
  readonly crls?: readonly string[];
  /** Bundles of peers; two entries with one trust domain are united. */
  readonly peers: readonly PeerTrust[];
}

export interface PeerTrust {
  readonly trustDomain: string;
  /** PEM, one certificate each. */
  readonly roots: readonly string[];
  /** PEM; only a complete, unexpired set (trust rule 12): one CRL for every CA of this trust domain, whoever its members are, or none at all. */
  readonly crls: readonly string[];
}

/** What one peer trust domain may reach here. */
export interface PeerGrant {
  readonly trustDomain: string;
  /** True where the whole mesh is shared (multicluster). */
  readonly everything?: boolean;
  readonly allowed: readonly GrantedPorts[];
}

/** Ports of the pods of one namespace that carry these labels (a Service's selector; an empty one selects nothing). */
export interface GrantedPorts {
  readonly namespace: string;
  readonly podLabels: Readonly<Record<string, string>>;
  readonly targetPorts: readonly (number | string)[];
}

/** One exported host name with the service ports that are exported. */
export interface GatewayExport {
  readonly hostname: string;
  readonly ports: readonly number[];
}

/** One address of a network's east-west gateway. */
export interface NetworkGateway {
  readonly network: string;
  /** IP; absent while its name has not been resolved: the network then has a gateway, but none that can be used. */
  readonly address?: string;
  readonly port: number;
}

/** The way into one other cluster, for its endpoints on one network: a gateway serves no cluster but its own. */
export interface ClusterGateways {
  readonly cluster: string;
  readonly network: string;
  /** Addresses (IP) that are known: none = its endpoints cannot be reached now. Absent = they are called straight. */
  readonly gateways?: readonly { readonly address: string; readonly port: number }[];
}
