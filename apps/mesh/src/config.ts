import { Command } from 'commander';
import {
  ConfigFaultsError,
  domain,
  flag,
  logLevel,
  oneOf,
  optional,
  readVariables,
  text,
  wholeNumber,
  withDefault,
} from '#platform';
import { labels } from '#model';
import { longestTtlSeconds } from '#trust';

/** Where to listen; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Everything the mesh core is told at start; never changed afterwards. */
export interface MeshConfig {
  readonly kubeconfig: string | undefined;
  readonly xdsAddress: ListenAddress;
  /** Unauthenticated and unencrypted; off unless named. */
  readonly xdsPlaintextAddress: ListenAddress | undefined;
  readonly monitoringAddress: ListenAddress;
  readonly trustDomain: string;
  /** Absent: as ConfigMap `isthmus-cluster` says. */
  readonly clusterID: string | undefined;
  readonly clusterDomain: string;
  /** Namespace of the mesh's own CA and of policies that hold everywhere. */
  readonly rootNamespace: string;
  /** Release namespace: Secret `isthmus-trust` is there. */
  readonly namespace: string;
  /** Where what was read of other clusters is kept over restarts. */
  readonly peersNamespace: string;
  readonly network: string;
  readonly publicServiceLabel: string;
  /** Other clusters' registries are read, as remote Secrets name them. */
  readonly multicluster: boolean;
  /** This replica's name among the others. */
  readonly podName: string;
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  /** File that gets the roots (PEM) once they are known. */
  readonly caOut: string | undefined;
  /** File that gets `{"address","pid"}` once streams are accepted. */
  readonly readyFile: string | undefined;
  /** New streams per second; 0 = no limit. */
  readonly maxStreamsPerSecond: number;
  /** Workload certificates that are asked for longer are issued for so long. */
  readonly maxWorkloadCertTtlSeconds: number;
  /** How long a new root is trusted everywhere, at least, before anything is issued by it. */
  readonly rootAnnounceSeconds: number;
  /** Milliseconds after which a connection is asked to come again, so that proxies spread over replicas; 0 = never. */
  readonly maxConnectionAgeMs: number;
  /** Milliseconds without a change before what changed is pushed, and how long a stream of changes may put that off. */
  readonly debounce: { readonly quietMs: number; readonly maxMs: number };
  readonly logLevel: string;
  /** Load the configuration, say whether it is sound, end. */
  readonly checkOnly: boolean;
}

/** `host:port`, `[v6]:port` or `:port` (all addresses). */
export function listenAddress(value: string): ListenAddress {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) throw new Error('expected host:port, for instance 0.0.0.0:15012');
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '');
  return { host: host === '' ? '0.0.0.0' : host, port };
}

const dayMs = 86_400_000;
const daySeconds = 86_400;

/** Every variable that is read. */
export const variables = {
  KUBECONFIG: optional(text),
  ISTHMUS_XDS_ADDRESS: withDefault(listenAddress, { host: '0.0.0.0', port: 15_012 }),
  ISTHMUS_XDS_PLAINTEXT_ADDRESS: optional(listenAddress),
  ISTHMUS_MONITORING_ADDRESS: withDefault(listenAddress, { host: '0.0.0.0', port: 15_014 }),
  ISTHMUS_TRUST_DOMAIN: optional(domain),
  ISTHMUS_CLUSTER_ID: optional(domain),
  ISTHMUS_CLUSTER_DOMAIN: withDefault(domain, 'cluster.local'),
  ISTHMUS_ROOT_NAMESPACE: withDefault(domain, 'istio-system'),
  ISTHMUS_NAMESPACE: withDefault(domain, 'isthmus-system'),
  ISTHMUS_PEERS_NAMESPACE: withDefault(domain, 'isthmus-peers'),
  ISTHMUS_NETWORK: withDefault(text, ''),
  ISTHMUS_PUBLIC_SERVICE_LABEL: withDefault(text, labels.publicService),
  ISTHMUS_MULTICLUSTER: withDefault(flag, true),
  POD_NAME: withDefault(text, 'mesh'),
  ISTHMUS_OUTBOUND_TRAFFIC_POLICY: withDefault(oneOf('ALLOW_ANY', 'REGISTRY_ONLY'), 'ALLOW_ANY'),
  ISTHMUS_CA_OUT: optional(text),
  ISTHMUS_READY_FILE: optional(text),
  ISTHMUS_MAX_STREAMS_PER_SECOND: withDefault(wholeNumber(0, 1_000_000), 0),
  ISTHMUS_MAX_WORKLOAD_CERT_TTL: withDefault(wholeNumber(10, longestTtlSeconds), longestTtlSeconds),
  ISTHMUS_ROOT_ANNOUNCE_SECONDS: withDefault(wholeNumber(1, daySeconds), 1_800),
  ISTHMUS_MAX_CONNECTION_AGE_MS: withDefault(wholeNumber(0, dayMs), 0),
  ISTHMUS_DEBOUNCE_QUIET_MS: withDefault(wholeNumber(0, 10_000), 10),
  ISTHMUS_DEBOUNCE_MAX_MS: withDefault(wholeNumber(0, 60_000), 100),
  LOG_LEVEL: withDefault(logLevel, 'info'),
} as const;

/** Flag, the variable it stands for, and its help line. */
export const flags: readonly (readonly [flag: string, variable: keyof typeof variables, help: string])[] = [
  ['--kubeconfig <file>', 'KUBECONFIG', 'kubeconfig of the cluster; without it the pod’s service account'],
  ['--xds-address <host:port>', 'ISTHMUS_XDS_ADDRESS', 'xDS and certificate service over TLS (0.0.0.0:15012)'],
  ['--xds-plaintext-address <host:port>', 'ISTHMUS_XDS_PLAINTEXT_ADDRESS', 'xDS without TLS or authentication (off)'],
  ['--monitoring-address <host:port>', 'ISTHMUS_MONITORING_ADDRESS', 'health, metrics, debug (0.0.0.0:15014)'],
  ['--trust-domain <name>', 'ISTHMUS_TRUST_DOMAIN', 'SPIFFE trust domain (default: the cluster domain)'],
  ['--cluster-id <id>', 'ISTHMUS_CLUSTER_ID', 'ID of this cluster (default: as ConfigMap isthmus-cluster says)'],
  ['--cluster-domain <domain>', 'ISTHMUS_CLUSTER_DOMAIN', 'DNS suffix of Services (cluster.local)'],
  ['--root-namespace <name>', 'ISTHMUS_ROOT_NAMESPACE', 'namespace of the CA and of mesh-wide policies (istio-system)'],
  ['--namespace <name>', 'ISTHMUS_NAMESPACE', 'release namespace, where the trust registry is (isthmus-system)'],
  ['--network <name>', 'ISTHMUS_NETWORK', 'network that the pods are on'],
  ['--ca-out <file>', 'ISTHMUS_CA_OUT', 'write the mesh’s roots (PEM) there'],
  ['--ready-file <file>', 'ISTHMUS_READY_FILE', 'write {"address","pid"} there when streams are accepted'],
  ['--max-streams-per-second <n>', 'ISTHMUS_MAX_STREAMS_PER_SECOND', 'limit of new streams; 0 = none (0)'],
  [
    '--max-connection-age <ms>',
    'ISTHMUS_MAX_CONNECTION_AGE_MS',
    'ask connections to come again after this; 0 = never (0)',
  ],
  [
    '--max-workload-cert-ttl <s>',
    'ISTHMUS_MAX_WORKLOAD_CERT_TTL',
    `longest life of a workload certificate, seconds (${longestTtlSeconds})`,
  ],
  ['--root-announce <s>', 'ISTHMUS_ROOT_ANNOUNCE_SECONDS', 'how long a new root is announced before it issues (1800)'],
  ['--log-level <level>', 'LOG_LEVEL', 'trace, debug, info, warn, error, fatal, silent (info)'],
];

/** Reads flags and environment; flags win. Throws `ConfigFaultsError` with every fault at once. */
export function loadConfig(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): MeshConfig {
  const given = readFlags(argv);
  const values = readVariables(variables, { ...environment, ...given.variables });
  const debounce = { quietMs: values.ISTHMUS_DEBOUNCE_QUIET_MS, maxMs: values.ISTHMUS_DEBOUNCE_MAX_MS };
  if (debounce.quietMs > debounce.maxMs) {
    throw new ConfigFaultsError([
      `ISTHMUS_DEBOUNCE_QUIET_MS=${debounce.quietMs} is more than ISTHMUS_DEBOUNCE_MAX_MS=${debounce.maxMs}: lower it`,
    ]);
  }
  return Object.freeze({
    kubeconfig: values.KUBECONFIG,
    xdsAddress: values.ISTHMUS_XDS_ADDRESS,
    xdsPlaintextAddress: values.ISTHMUS_XDS_PLAINTEXT_ADDRESS,
    monitoringAddress: values.ISTHMUS_MONITORING_ADDRESS,
    trustDomain: values.ISTHMUS_TRUST_DOMAIN ?? values.ISTHMUS_CLUSTER_DOMAIN,
    clusterID: values.ISTHMUS_CLUSTER_ID,
    clusterDomain: values.ISTHMUS_CLUSTER_DOMAIN,
    rootNamespace: values.ISTHMUS_ROOT_NAMESPACE,
    namespace: values.ISTHMUS_NAMESPACE,
    peersNamespace: values.ISTHMUS_PEERS_NAMESPACE,
    network: values.ISTHMUS_NETWORK,
    publicServiceLabel: values.ISTHMUS_PUBLIC_SERVICE_LABEL,
    multicluster: values.ISTHMUS_MULTICLUSTER,
    podName: values.POD_NAME,
    outboundTrafficPolicy: values.ISTHMUS_OUTBOUND_TRAFFIC_POLICY,
    caOut: values.ISTHMUS_CA_OUT,
    readyFile: values.ISTHMUS_READY_FILE,
    maxStreamsPerSecond: values.ISTHMUS_MAX_STREAMS_PER_SECOND,
    maxWorkloadCertTtlSeconds: values.ISTHMUS_MAX_WORKLOAD_CERT_TTL,
    rootAnnounceSeconds: values.ISTHMUS_ROOT_ANNOUNCE_SECONDS,
    maxConnectionAgeMs: values.ISTHMUS_MAX_CONNECTION_AGE_MS,
    debounce,
    logLevel: values.LOG_LEVEL,
    checkOnly: given.checkOnly,
  });
}

interface GivenFlags {
  readonly variables: Readonly<Record<string, string>>;
  readonly checkOnly: boolean;
}

function readFlags(argv: readonly string[]): GivenFlags {
  const command = new Command('mesh')
    .description('Mesh core: xDS control plane and workload CA')
    .allowExcessArguments(false);
  for (const [flag, variable, help] of flags) command.option(flag, `${help} [${variable}]`);
  command.option('--check', 'load the configuration, connect nowhere, exit');
  command.parse(argv, { from: 'user' });
  const options: Readonly<Record<string, unknown>> = command.opts();
  const given: Record<string, string> = {};
  for (const [flag, variable] of flags) {
    const value = options[attributeOf(flag)];
    if (typeof value === 'string') given[variable] = value;
  }
  return { variables: given, checkOnly: options['check'] === true };
}

/** `--xds-address <host:port>` is `xdsAddress` in commander's answer. */
function attributeOf(flag: string): string {
  const words = (flag.split(' ')[0] ?? '').replace(/^--/, '').split('-');
  return words.map((word, index) => (index === 0 ? word : `${word.charAt(0).toUpperCase()}${word.slice(1)}`)).join('');
}
