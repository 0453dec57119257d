import type {
  DestinationRule as DestinationRuleObject,
  OutlierDetection as OutlierObject,
  TrafficPolicy as PolicyObject,
} from '#istio-api';
import { annotations, isText } from '#model';
import type {
  DestinationRule,
  DestinationTls,
  LocalityPolicy,
  MeshCluster,
  OutlierDetection,
  RegionFailover,
  TrafficPolicy,
} from '#xds';
import { durationMs } from './duration.js';
import { createdAt } from './services.js';

/** A DestinationRule as clusters need it; undefined when it applies to chosen workloads only or says nothing. */
export function destinationRuleFrom(object: DestinationRuleObject, cluster: MeshCluster): DestinationRule | undefined {
  const { metadata = {}, spec } = object;
  if (spec === undefined || spec.workloadSelector !== undefined) return undefined;
  const namespace = metadata.namespace ?? 'default';
  const failover = failoversFrom(metadata.annotations?.[annotations.failover]);
  const portPolicies = (spec.trafficPolicy?.portLevelSettings ?? []).flatMap(({ port, ...policy }) =>
    port?.number === undefined ? [] : [[port.number, policyFrom(policy, failover)] as const],
  );
  return {
    name: metadata.name ?? '',
    namespace,
    host: fullHost(spec.host, namespace, cluster.clusterDomain),
    exportTo: spec.exportTo ?? [],
    createdAt: createdAt(metadata.creationTimestamp),
    trafficPolicy: policyFrom(spec.trafficPolicy ?? {}, failover),
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

function policyFrom(policy: Policy, failover: readonly RegionFailover[] | undefined): TrafficPolicy {
  const { tls, outlierDetection, loadBalancer, connectionPool } = policy;
  return {
    ...localityPart(recordOf(loadBalancer)['localityLbSetting'], failover),
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

/** Label names of pods that some rule's failoverPriority asks for, sorted. */
export function failoverLabelsOf(rules: readonly DestinationRule[]): readonly string[] {
  const names = rules.flatMap(({ trafficPolicy, portPolicies }) =>
    [trafficPolicy, ...Object.values(portPolicies)].flatMap(({ locality }) => locality?.failoverPriority ?? []),
  );
  return [...new Set(names.map((entry) => entry.split('=')[0] ?? ''))].sort();
}

function localityPart(
  setting: unknown,
  distributeFailover: readonly RegionFailover[] | undefined,
): Pick<TrafficPolicy, 'locality'> {
  if (setting === undefined && distributeFailover === undefined) return {};
  const { enabled, distribute, failover, failoverPriority } = recordOf(setting);
  const locality: LocalityPolicy = {
    ...(typeof enabled === 'boolean' ? { enabled } : {}),
    ...filled('distribute', listOf(distribute).flatMap(distributionFrom)),
    ...filled('failover', listOf(failover).flatMap(failoverFrom)),
    ...filled('failoverPriority', Array.isArray(failoverPriority) ? failoverPriority.filter(isText) : []),
    ...(distributeFailover === undefined ? {} : { distributeFailover }),
  };
  return { locality };
}

function filled<Name extends keyof LocalityPolicy, T>(
  name: Name,
  list: readonly T[],
): { readonly [N in Name]?: readonly T[] } {
  return (list.length === 0 ? {} : { [name]: list }) as { readonly [N in Name]?: readonly T[] };
}

function distributionFrom({ from, to }: Readonly<Record<string, unknown>>): NonNullable<LocalityPolicy['distribute']> {
  const percents = Object.entries(recordOf(to)).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return typeof from === 'string' && percents.length > 0 ? [{ from, to: Object.fromEntries(percents) }] : [];
}

function failoverFrom({ from, to }: Readonly<Record<string, unknown>>): readonly RegionFailover[] {
  return isText(from) && isText(to) ? [{ from, to }] : [];
}

/** Our annotation beside `distribute`: a JSON list of `{from, to}`; unreadable counts as an empty list, which still keeps fallbacks. */
function failoversFrom(text: string | undefined): readonly RegionFailover[] | undefined {
  if (text === undefined) return undefined;
  try {
    return listOf(JSON.parse(text)).flatMap(failoverFrom);
  } catch {
    return [];
  }
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
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
