import ipaddr from 'ipaddr.js';
import { parsedJson } from '#model';

/** Kinds of proxies that this control plane serves. */
export type ProxyType = 'sidecar' | 'router';

/** A proxy as it introduces itself in the first request of a stream. */
export interface ProxyNode {
  readonly id: string;
  readonly type: ProxyType;
  /** Own addresses; the first is the pod's identity for look-ups. */
  readonly addresses: readonly string[];
  readonly podName: string;
  readonly namespace: string;
  /** `<namespace>.svc.<cluster domain>`: decides which short names resolve. */
  readonly dnsDomain: string;
  readonly clusterID: string;
  readonly network: string;
  /** Networks whose endpoints the proxy wants; empty means all. */
  readonly requestedNetworks: readonly string[];
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Container ports by name, from POD_PORTS; used when no Pod object is known. */
  readonly namedPorts: Readonly<Record<string, number>>;
  /** `region/zone/subzone` as the node says it; empty when it does not. */
  readonly locality: string;
}

export type ParsedNode =
  { readonly ok: true; readonly value: ProxyNode } | { readonly ok: false; readonly fault: string };

/**
 * Reads node id `<type>~<ip>~<pod>.<namespace>~<dns domain>` and Istio's metadata keys. The answer for a fault is InvalidArgument.
 * `metadata` is the plain JSON of node.metadata, `locality` node.locality as `region/zone/subzone`.
 */
export function parseProxyNode(id: string, metadata: Readonly<Record<string, unknown>>, locality = ''): ParsedNode {
  const parts = id.split('~');
  const [type, ip, workload, dnsDomain] = parts;
  if (parts.length !== 4 || !type || !workload || !dnsDomain) {
    return { ok: false, fault: `${told(id)}: wanted <type>~<ip>~<pod>.<namespace>~<dns domain>` };
  }
  if (type !== 'sidecar' && type !== 'router') {
    return { ok: false, fault: `${told(id)}: its type is not served here; use sidecar or router` };
  }
  const addresses = addressesOf(textOf(metadata['INSTANCE_IPS']), ip ?? '');
  if (addresses.length === 0) {
    return { ok: false, fault: `${told(id)}: no valid address there nor in metadata INSTANCE_IPS` };
  }
  const dot = workload.lastIndexOf('.');
  return {
    ok: true,
    value: {
      id,
      type,
      addresses,
      podName: dot < 0 ? workload : workload.slice(0, dot),
      namespace: textOf(metadata['NAMESPACE']) || (dot < 0 ? '' : workload.slice(dot + 1)),
      dnsDomain,
      clusterID: textOf(metadata['CLUSTER_ID']),
      network: textOf(metadata['NETWORK']),
      requestedNetworks: listOf(textOf(metadata['REQUESTED_NETWORK_VIEW'])),
      serviceAccount: textOf(metadata['SERVICE_ACCOUNT']),
      labels: labelsOf(metadata['LABELS']),
      namedPorts: namedPortsOf(metadata['POD_PORTS']),
      locality,
    },
  };
}

/** A node id comes from anybody; no fault grows with it. */
function told(id: string): string {
  return `node id "${id.length > 200 ? `${id.slice(0, 200)}…` : id}"`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** True for a textual IPv4 (four decimals) or IPv6 address. */
export function isAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
}

function addressesOf(instanceIps: string, idIp: string): readonly string[] {
  const listed = listOf(instanceIps).filter(isAddress);
  return listed.length > 0 ? listed : [idIp].filter(isAddress);
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** POD_PORTS is a JSON list in a string: [{"name","containerPort","protocol"}]. Anything else counts as no ports. */
function namedPortsOf(value: unknown): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const port of parsedList(value)) {
    if (typeof port !== 'object' || port === null) continue;
    const { name, containerPort } = port as { name?: unknown; containerPort?: unknown };
    if (typeof name === 'string' && isPort(containerPort)) found[name] = containerPort;
  }
  return found;
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65_535;
}

function parsedList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const parsed = typeof value === 'string' ? parsedJson(value) : undefined;
  return Array.isArray(parsed) ? parsed : [];
}
