import type { GatewayAddress } from '#model';
import { labels } from '#model';
import {
  domain,
  flag,
  listOf,
  logLevel,
  optional,
  port,
  readVariables,
  required,
  secret,
  text,
  wholeNumber,
  withDefault,
} from '#platform';
import type { Secret } from '#platform';
import type { MeshFacts } from '#planner';
import { parseGatewayAddress } from '#protocol';
import { defaultPacing } from './peer-link/pacing.js';
import type { Pacing } from './peer-link/pacing.js';

/** Everything the controller is told at start; frozen. */
export interface ControllerConfig {
  readonly mesh: MeshFacts;
  readonly peersNamespace: string;
  readonly networkName: string;
  /** Given UUID, or undefined: then one is made once. */
  readonly clusterUUID: string | undefined;
  readonly publicServiceLabel: string;
  readonly gatewayService: { readonly namespace: string; readonly name: string };
  readonly gatewayOverride: readonly GatewayAddress[];
  readonly meshAddress: string;
  readonly meshTokenFile: string;
  readonly federationEnabled: boolean;
  readonly multiclusterEnabled: boolean;
  /** False where the cluster's own istiod stands in for our mesh core. */
  readonly meshEnabled: boolean;
  /** True where gateways are reached by node addresses. */
  readonly readNodes: boolean;
  readonly multicluster: MulticlusterConfig;
  readonly httpPort: number;
  readonly podName: string;
  readonly pacing: Pacing;
  /** Secret of the door's certificate where the chart made it; else undefined. */
  readonly doorSecret: string | undefined;
  readonly keyAnnounceMs: number;
  readonly keyHonourMs: number;
  readonly leaseMs: number;
  readonly logLevel: string;
  readonly kubeconfig: string | undefined;
  readonly databaseUrl: Secret | undefined;
  /** For the embedded PostgreSQL, when there is no database URL. */
  readonly storeDirectory: string;
}

/** What only the multicluster scheme asks for. */
export interface MulticlusterConfig {
  /** `host` or `host:port` under which peers reach the door's API proxy. */
  readonly apiHost: string | undefined;
  /** Local readers of peers' API servers; each has a credential for each peer. */
  readonly readers: readonly string[];
  readonly wayOutUrl: string;
  readonly wayOutHealthUrl: string;
  /** PEM file that the way out's certificate is checked against. */
  readonly wayOutCaFile: string;
  /** Folder with the door's `tls.crt` and, if there is one, `ca.crt`. */
  readonly doorCertificateDirectory: string;
}

/** `namespace/name` of a Service. */
function serviceName(value: string): { readonly namespace: string; readonly name: string } {
  const [namespace, name, ...rest] = value.split('/');
  if (!namespace || !name || rest.length > 0) throw new Error('expected namespace/name');
  return { namespace, name };
}

function uuid(value: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) throw new Error('expected a UUID in lower case');
  return value;
}

/** Every variable that is read. */
export const variables = {
  POD_NAMESPACE: withDefault(domain, 'isthmus-system'),
  POD_NAME: withDefault(text, 'isthmus-controller'),
  KUBECONFIG: optional(text),
  ISTHMUS_CLUSTER_DOMAIN: required(domain),
  ISTHMUS_TRUST_DOMAIN: optional(domain),
  ISTHMUS_NETWORK: required(text),
  ISTHMUS_CLUSTER_UUID: optional(uuid),
  ISTHMUS_ROOT_NAMESPACE: withDefault(domain, 'istio-system'),
  ISTHMUS_IMPORTS_NAMESPACE: withDefault(domain, 'isthmus-imports'),
  ISTHMUS_PEERS_NAMESPACE: withDefault(domain, 'isthmus-peers'),
  ISTHMUS_PUBLIC_SERVICE_LABEL: withDefault(text, labels.publicService),
  ISTHMUS_GATEWAY_SERVICE: withDefault(serviceName, { namespace: 'isthmus-system', name: 'isthmus-eastwestgateway' }),
  ISTHMUS_GATEWAY_ADDRESSES: withDefault(listOf(parseGatewayAddress), []),
  ISTHMUS_MESH_ADDRESS: withDefault(text, 'istiod.istio-system.svc:15012'),
  ISTHMUS_MESH_TOKEN_FILE: withDefault(text, '/var/run/secrets/tokens/istio-token'),
  ISTHMUS_FEDERATION_ENABLED: withDefault(flag, true),
  ISTHMUS_MULTICLUSTER_ENABLED: withDefault(flag, false),
  ISTHMUS_MESH_ENABLED: withDefault(flag, true),
  ISTHMUS_READ_NODES: withDefault(flag, false),
  ISTHMUS_API_HOST: optional(text),
  ISTHMUS_READERS: withDefault(listOf(domain), ['mesh']),
  ISTHMUS_WAY_OUT_URL: withDefault(text, 'https://isthmus-way-out.isthmus-system.svc'),
  ISTHMUS_WAY_OUT_HEALTH_URL: withDefault(text, 'http://isthmus-way-out.isthmus-system.svc:8080'),
  ISTHMUS_WAY_OUT_CA_FILE: withDefault(text, '/etc/isthmus/way-out/ca.crt'),
  ISTHMUS_DOOR_CERTIFICATE_DIR: withDefault(text, '/etc/isthmus/door'),
  ISTHMUS_DOOR_SECRET: optional(text),
  ISTHMUS_HTTP_PORT: withDefault(port, 8080),
  ISTHMUS_STREAMS: withDefault(flag, true),
  ISTHMUS_POLL_SECONDS: withDefault(wholeNumber(1, 3600), defaultPacing.pollMs / 1000),
  ISTHMUS_KEY_ANNOUNCE_SECONDS: withDefault(wholeNumber(1, 86_400), 120),
  ISTHMUS_KEY_HONOUR_SECONDS: withDefault(wholeNumber(1, 86_400), 3600),
  ISTHMUS_LEASE_SECONDS: withDefault(wholeNumber(3, 300), 15),
  DATABASE_URL: optional(secret),
  ISTHMUS_STORE_DIR: withDefault(text, '/var/lib/isthmus'),
  LOG_LEVEL: withDefault(logLevel, 'info'),
} as const;

/** Reads the environment; throws one error that lists every wrong or missing variable. */
export function loadConfig(environment: Readonly<Record<string, string | undefined>>): ControllerConfig {
  const values = readVariables(variables, environment);
  return Object.freeze({
    mesh: {
      trustDomain: values.ISTHMUS_TRUST_DOMAIN ?? values.ISTHMUS_CLUSTER_DOMAIN,
      clusterDomain: values.ISTHMUS_CLUSTER_DOMAIN,
      importsNamespace: values.ISTHMUS_IMPORTS_NAMESPACE,
      releaseNamespace: values.POD_NAMESPACE,
      rootNamespace: values.ISTHMUS_ROOT_NAMESPACE,
    },
    peersNamespace: values.ISTHMUS_PEERS_NAMESPACE,
    networkName: values.ISTHMUS_NETWORK,
    clusterUUID: values.ISTHMUS_CLUSTER_UUID,
    publicServiceLabel: values.ISTHMUS_PUBLIC_SERVICE_LABEL,
    gatewayService: values.ISTHMUS_GATEWAY_SERVICE,
    gatewayOverride: values.ISTHMUS_GATEWAY_ADDRESSES,
    meshAddress: values.ISTHMUS_MESH_ADDRESS,
    meshTokenFile: values.ISTHMUS_MESH_TOKEN_FILE,
    federationEnabled: values.ISTHMUS_FEDERATION_ENABLED,
    multiclusterEnabled: values.ISTHMUS_MULTICLUSTER_ENABLED,
    meshEnabled: values.ISTHMUS_MESH_ENABLED,
    readNodes: values.ISTHMUS_READ_NODES,
    multicluster: {
      apiHost: values.ISTHMUS_API_HOST,
      readers: values.ISTHMUS_READERS,
      wayOutUrl: values.ISTHMUS_WAY_OUT_URL,
      wayOutHealthUrl: values.ISTHMUS_WAY_OUT_HEALTH_URL,
      wayOutCaFile: values.ISTHMUS_WAY_OUT_CA_FILE,
      doorCertificateDirectory: values.ISTHMUS_DOOR_CERTIFICATE_DIR,
    },
    httpPort: values.ISTHMUS_HTTP_PORT,
    podName: values.POD_NAME,
    pacing: pacingFrom(values.ISTHMUS_STREAMS, values.ISTHMUS_POLL_SECONDS * 1000),
    doorSecret: values.ISTHMUS_DOOR_SECRET,
    keyAnnounceMs: values.ISTHMUS_KEY_ANNOUNCE_SECONDS * 1000,
    keyHonourMs: values.ISTHMUS_KEY_HONOUR_SECONDS * 1000,
    leaseMs: values.ISTHMUS_LEASE_SECONDS * 1000,
    logLevel: values.LOG_LEVEL,
    kubeconfig: values.KUBECONFIG,
    databaseUrl: values.DATABASE_URL,
    storeDirectory: values.ISTHMUS_STORE_DIR,
  });
}

function pacingFrom(streams: boolean, pollMs: number): Pacing {
  return { ...defaultPacing, streams, pollMs, publicMs: pollMs };
}
