import type {
  DestinationRule as DestinationRuleObject,
  OutlierDetection as OutlierObject,
  TrafficPolicy as PolicyObject,
} from '#istio-api';
import type { DestinationRule, DestinationTls, MeshCluster, OutlierDetection, TrafficPolicy } from '#xds';
import { durationMs } from './duration.js';
import { createdAt } from './services.js';

/** A DestinationRule as clusters need it; undefined when it applies to chosen workloads only or says nothing. */
export function destinationRuleFrom(object: DestinationRuleObject, cluster: MeshCluster): DestinationRule | undefined {
  const { metadata = {}, spec } = object;
  if (spec === undefined || spec.workloadSelector !== undefined) return undefined;
  const namespace = metadata.namespace ?? 'default';
  const portPolicies = (spec.trafficPolicy?.portLevelSettings ?? []).flatMap(({ port, ...policy }) =>
    port?.number === undefined ? [] : [[port.number, policyFrom(policy)] as const],
  );
  return {
    name: metadata.name ?? '',
    namespace,
    host: fullHost(spec.host, namespace, cluster.clusterDomain),
    exportTo: spec.exportTo ?? [],
    createdAt: createdAt(metadata.creationTimestamp),
    trafficPolicy: policyFrom(spec.trafficPolicy ?? {}),
    portPolicies: Object.fromEntries(portPolicies),
  };
}

/** Short host names mean a Service of the rule's own namespace. */
export function fullHost(host: string, namespace: string, clusterDomain: string): string {
  return host.includes('.') || host === '*'
    ? host.toLowerCase()
    : `${host}.${namespace}.svc.${clusterDomain}`.toLowerCase();
}

type Policy = Omit<PolicyObject, 'portLevelSettings'>;

function policyFrom({ tls, outlierDetection, loadBalancer, connectionPool }: Policy): TrafficPolicy {
  return {
    ...tlsPart(tls),
    ...loadBalancerPart(loadBalancer),
    ...connectionPart(connectionPool),
    ...(outlierDetection === undefined ? {} : { outlierDetection: outlierFrom(outlierDetection) }),
  };
}

/** MUTUAL with files of its own is not something that proxies here can hold; it is left to automatic mutual TLS. */
function tlsPart(tls: Policy['tls']): { readonly tls?: DestinationTls } {
  if (tls === undefined || tls.mode === 'MUTUAL') return {};
  const { mode, sni, subjectAltNames, caCertificates } = tls;
  return {
    tls: {
      mode,
      ...(sni === undefined ? {} : { sni }),
      ...(subjectAltNames === undefined ? {} : { subjectAltNames }),
      ...(caCertificates === undefined ? {} : { caCertificates }),
    },
  };
}

const balancers = ['LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM'] as const;

function loadBalancerPart(settings: Policy['loadBalancer']): Pick<TrafficPolicy, 'loadBalancer'> {
  const simple = balancers.find((name) => name === settings?.['simple']);
  return simple === undefined ? {} : { loadBalancer: simple };
}

function connectionPart(pool: Policy['connectionPool']): Partial<TrafficPolicy> {
  const tcp = recordOf(pool?.['tcp']);
  const http = recordOf(pool?.['http']);
  const connectTimeoutMs = durationMs(tcp['connectTimeout']);
  return {
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    ...numberPart('maxConnections', tcp['maxConnections']),
    ...numberPart('http1MaxPendingRequests', http['http1MaxPendingRequests']),
    ...numberPart('http2MaxRequests', http['http2MaxRequests']),
    ...numberPart('maxRequestsPerConnection', http['maxRequestsPerConnection']),
    ...(http['h2UpgradePolicy'] === 'UPGRADE' ? { upgradeToHttp2: true } : {}),
  };
}

function numberPart<Name extends keyof TrafficPolicy>(name: Name, value: unknown): { readonly [N in Name]?: number } {
  return (typeof value === 'number' ? { [name]: value } : {}) as { readonly [N in Name]?: number };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function outlierFrom({ interval, baseEjectionTime, ...numbers }: OutlierObject): OutlierDetection {
  const intervalMs = durationMs(interval);
  const baseEjectionTimeMs = durationMs(baseEjectionTime);
  return {
    ...numbers,
    ...(intervalMs === undefined ? {} : { intervalMs }),
    ...(baseEjectionTimeMs === undefined ? {} : { baseEjectionTimeMs }),
  };
}
