import type { Container, EnvVar, PodSpec, Volume, VolumeMount } from '#istio-api';

/** What the sidecar must know of this cluster. */
export interface SidecarSettings {
  /** Image with pilot-agent and Envoy, both for `istio-init` and for `istio-proxy`. */
  readonly image: string;
  readonly imagePullPolicy?: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly clusterID: string;
  readonly network: string;
  /** `host:port` of the mesh core; default `istiod.istio-system.svc:15012`. */
  readonly discoveryAddress?: string;
  /** Mesh id; default the trust domain. */
  readonly meshID?: string;
  /** Name of the owning workload, such as the Deployment. */
  readonly workloadName?: string;
  /** API path of the owner, `kubernetes://apis/apps/v1/namespaces/<ns>/deployments/<name>`. */
  readonly owner?: string;
  readonly logLevel?: string;
}

const defaultDiscovery = 'istiod.istio-system.svc:15012';

/** The `istio-proxy` container for one pod. */
export function proxyContainer(pod: PodSpec, settings: SidecarSettings): Container {
  const level = settings.logLevel ?? 'warning';
  return {
    name: 'istio-proxy',
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy ?? 'IfNotPresent',
    args: [
      ...['proxy', 'sidecar', '--domain', `$(POD_NAMESPACE).svc.${settings.clusterDomain}`],
      ...[`--proxyLogLevel=${level}`, '--proxyComponentLogLevel=misc:error', '--log_output_level=default:info'],
    ],
    env: proxyEnvironment(pod, settings),
    ports: [{ name: 'http-envoy-prom', containerPort: 15_090, protocol: 'TCP' }],
    readinessProbe: {
      httpGet: { path: '/healthz/ready', port: 15_021 },
      initialDelaySeconds: 0,
      periodSeconds: 2,
      timeoutSeconds: 3,
      failureThreshold: 10,
    },
    startupProbe: {
      httpGet: { path: '/healthz/ready', port: 15_021 },
      periodSeconds: 1,
      timeoutSeconds: 3,
      failureThreshold: 600,
    },
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: 1337,
      runAsNonRoot: true,
      runAsUser: 1337,
    },
    volumeMounts: proxyMounts,
  };
}

function proxyEnvironment(pod: PodSpec, settings: SidecarSettings): readonly EnvVar[] {
  const discovery = settings.discoveryAddress ?? defaultDiscovery;
  const ports = pod.containers.flatMap(({ ports: declared }) => declared ?? []);
  return [
    value('PILOT_CERT_PROVIDER', 'istiod'),
    value('CA_ADDR', discovery),
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('HOST_IP', 'status.hostIP'),
    value('PROXY_CONFIG', JSON.stringify(proxyConfig(discovery, settings))),
    value('ISTIO_META_POD_PORTS', JSON.stringify(ports)),
    value('ISTIO_META_APP_CONTAINERS', pod.containers.map(({ name }) => name).join(',')),
    value('ISTIO_META_CLUSTER_ID', settings.clusterID),
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    value('ISTIO_META_INTERCEPTION_MODE', 'REDIRECT'),
    value('ISTIO_META_NETWORK', settings.network),
    ...optional('ISTIO_META_WORKLOAD_NAME', settings.workloadName),
    ...optional('ISTIO_META_OWNER', settings.owner),
    value('ISTIO_META_MESH_ID', settings.meshID ?? settings.trustDomain),
    value('ISTIO_META_DNS_CAPTURE', 'true'),
    value('TRUST_DOMAIN', settings.trustDomain),
  ];
}

function proxyConfig(discoveryAddress: string, { workloadName }: SidecarSettings): Readonly<Record<string, unknown>> {
  return {
    discoveryAddress,
    // A connection that may no longer be is cut when its chain has drained: seconds, not Envoy's minutes (product, trust rule 10).
    drainDuration: '5s',
    proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' },
    ...(workloadName === undefined ? {} : { serviceCluster: workloadName }),
  };
}

function value(name: string, text: string): EnvVar {
  return { name, value: text };
}

function optional(name: string, text: string | undefined): readonly EnvVar[] {
  return text === undefined ? [] : [value(name, text)];
}

function field(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } };
}

const proxyMounts: readonly VolumeMount[] = [
  { name: 'workload-socket', mountPath: '/var/run/secrets/workload-spiffe-uds' },
  { name: 'credential-socket', mountPath: '/var/run/secrets/credential-uds' },
  { name: 'workload-certs', mountPath: '/var/run/secrets/workload-spiffe-credentials' },
  { name: 'istiod-ca-cert', mountPath: '/var/run/secrets/istio' },
  { name: 'istio-data', mountPath: '/var/lib/istio/data' },
  { name: 'istio-envoy', mountPath: '/etc/istio/proxy' },
  { name: 'istio-token', mountPath: '/var/run/secrets/tokens' },
  { name: 'istio-podinfo', mountPath: '/etc/istio/pod' },
];

/** Volumes of the sidecar, by Istio's names. The pod starts once ConfigMap `istio-ca-root-cert` is in its namespace. */
export const proxyVolumes: readonly Volume[] = [
  { name: 'workload-socket', emptyDir: {} },
  { name: 'credential-socket', emptyDir: {} },
  { name: 'workload-certs', emptyDir: {} },
  { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
  { name: 'istio-data', emptyDir: {} },
  {
    name: 'istio-podinfo',
    downwardAPI: {
      items: [
        { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
        { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } },
      ],
    },
  },
  {
    name: 'istio-token',
    projected: {
      sources: [{ serviceAccountToken: { audience: 'istio-ca', expirationSeconds: 43_200, path: 'istio-token' } }],
    },
  },
  { name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } },
];
