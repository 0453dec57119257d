import {
  flag,
  listOf,
  logLevel,
  optional,
  port,
  readVariables,
  secret,
  text,
  wholeNumber,
  withDefault,
} from '#platform';
import type { Secret } from '#platform';

/** Everything the door is told at start; frozen. */
export interface DoorConfig {
  /** Release namespace: trust, public document and cluster identity are there. */
  readonly namespace: string;
  /** This replica's name among the others. */
  readonly podName: string;
  /** Namespace of the documents made for peers. */
  readonly peersNamespace: string;
  readonly host: string;
  readonly httpsPort: number;
  readonly httpPort: number;
  /** Folder with tls.crt and tls.key, as a mounted Secret of type kubernetes.io/tls. */
  readonly tlsDirectory: string;
  readonly storeDirectory: string;
  readonly databaseUrl: Secret | undefined;
  /** Addresses or CIDRs whose X-Forwarded-For is believed (an ingress in front); none by default. */
  readonly trustedProxies: readonly string[];
  /** Connections that one source address may hold. */
  readonly connectionsPerSource: number;
  /** Requests a second and burst, per source address before a token is looked at. */
  readonly sourceLimit: RateLimit;
  /** Requests a second and burst, per peer after its token was verified. */
  readonly peerLimit: RateLimit;
  readonly streamsPerPeer: number;
  /** Longest life of a stream; it ends at a random moment in the last fifth of it. */
  readonly streamLifeMs: number;
  /** How long to go on answering after SIGTERM, so that endpoints are forgotten first. */
  readonly drainDelayMs: number;
  readonly apiProxy: ApiProxyConfig;
  readonly kubeconfig: string | undefined;
  readonly logLevel: string;
}

/** The read-only door to this cluster's API server. */
export interface ApiProxyConfig {
  readonly enabled: boolean;
  readonly port: number;
  /** Requests a second and burst, per peer after its token was verified. */
  readonly peerLimit: RateLimit;
  readonly watchesPerPeer: number;
  /** Requests of a peer under way at once, watches apart. */
  readonly requestsPerPeer: number;
  readonly bytesPerSecond: number;
  /** Longest life of a watch; it ends at a random moment in the last fifth of it. */
  readonly watchLifeMs: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stuckMs: number;
}

export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/** Every variable that is read. */
export const variables = {
  POD_NAMESPACE: withDefault(text, 'isthmus-system'),
  POD_NAME: withDefault(text, 'metadata-api'),
  ISTHMUS_PEERS_NAMESPACE: withDefault(text, 'isthmus-peers'),
  ISTHMUS_LISTEN_HOST: withDefault(text, '0.0.0.0'),
  ISTHMUS_HTTPS_PORT: withDefault(port, 8443),
  ISTHMUS_HTTP_PORT: withDefault(port, 8080),
  ISTHMUS_TLS_DIR: withDefault(text, '/etc/isthmus/tls'),
  ISTHMUS_STORE_DIR: withDefault(text, '/var/lib/isthmus'),
  DATABASE_URL: optional(secret),
  ISTHMUS_TRUSTED_PROXIES: withDefault(listOf(text), []),
  ISTHMUS_CONNECTIONS_PER_SOURCE: withDefault(wholeNumber(1, 100_000), 1_000),
  ISTHMUS_SOURCE_RATE: withDefault(wholeNumber(1, 100_000), 300),
  ISTHMUS_SOURCE_BURST: withDefault(wholeNumber(1, 100_000), 600),
  ISTHMUS_PEER_RATE: withDefault(wholeNumber(1, 100_000), 50),
  ISTHMUS_PEER_BURST: withDefault(wholeNumber(1, 100_000), 200),
  ISTHMUS_STREAMS_PER_PEER: withDefault(wholeNumber(1, 1_000), 8),
  ISTHMUS_STREAM_LIFE_MS: withDefault(wholeNumber(1_000, 600_000), 600_000),
  ISTHMUS_DRAIN_DELAY_MS: withDefault(wholeNumber(0, 60_000), 2_000),
  ISTHMUS_MULTICLUSTER_ENABLED: withDefault(flag, false),
  ISTHMUS_API_PORT: withDefault(port, 8444),
  ISTHMUS_API_PEER_RATE: withDefault(wholeNumber(1, 100_000), 100),
  ISTHMUS_API_PEER_BURST: withDefault(wholeNumber(1, 100_000), 1_000),
  ISTHMUS_API_WATCHES_PER_PEER: withDefault(wholeNumber(1, 100_000), 1_000),
  ISTHMUS_API_REQUESTS_PER_PEER: withDefault(wholeNumber(1, 10_000), 100),
  ISTHMUS_API_BYTES_PER_SECOND: withDefault(wholeNumber(1_024, 100_000_000_000), 256 * 1024 * 1024),
  ISTHMUS_API_WATCH_LIFE_MS: withDefault(wholeNumber(1_000, 600_000), 600_000),
  ISTHMUS_API_STUCK_MS: withDefault(wholeNumber(100, 600_000), 30_000),
  KUBECONFIG: optional(text),
  LOG_LEVEL: withDefault(logLevel, 'info'),
};

/** Throws `ConfigFaultsError` that lists every fault with its variable. */
export function loadConfig(environment: Readonly<Record<string, string | undefined>>): DoorConfig {
  const values = readVariables(variables, environment);
  return Object.freeze({
    namespace: values.POD_NAMESPACE,
    podName: values.POD_NAME,
    peersNamespace: values.ISTHMUS_PEERS_NAMESPACE,
    host: values.ISTHMUS_LISTEN_HOST,
    httpsPort: values.ISTHMUS_HTTPS_PORT,
    httpPort: values.ISTHMUS_HTTP_PORT,
    tlsDirectory: values.ISTHMUS_TLS_DIR,
    storeDirectory: values.ISTHMUS_STORE_DIR,
    databaseUrl: values.DATABASE_URL,
    trustedProxies: values.ISTHMUS_TRUSTED_PROXIES,
    connectionsPerSource: values.ISTHMUS_CONNECTIONS_PER_SOURCE,
    sourceLimit: { perSecond: values.ISTHMUS_SOURCE_RATE, burst: values.ISTHMUS_SOURCE_BURST },
    peerLimit: { perSecond: values.ISTHMUS_PEER_RATE, burst: values.ISTHMUS_PEER_BURST },
    streamsPerPeer: values.ISTHMUS_STREAMS_PER_PEER,
    streamLifeMs: values.ISTHMUS_STREAM_LIFE_MS,
    drainDelayMs: values.ISTHMUS_DRAIN_DELAY_MS,
    apiProxy: {
      enabled: values.ISTHMUS_MULTICLUSTER_ENABLED,
      port: values.ISTHMUS_API_PORT,
      peerLimit: { perSecond: values.ISTHMUS_API_PEER_RATE, burst: values.ISTHMUS_API_PEER_BURST },
      watchesPerPeer: values.ISTHMUS_API_WATCHES_PER_PEER,
      requestsPerPeer: values.ISTHMUS_API_REQUESTS_PER_PEER,
      bytesPerSecond: values.ISTHMUS_API_BYTES_PER_SECOND,
      watchLifeMs: values.ISTHMUS_API_WATCH_LIFE_MS,
      stuckMs: values.ISTHMUS_API_STUCK_MS,
    },
    kubeconfig: values.KUBECONFIG,
    logLevel: values.LOG_LEVEL,
  });
}
