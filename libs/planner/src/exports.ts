import { REASONS } from '#crd';
import type { FederationExports } from '#crd';
import { protocolOfPort, selectorMatches } from '#istio-api';
import type { LabelSelector } from '#istio-api';
import type { Finding, PublicService, PublicServicePort } from '#model';
import { hostAdmitted } from './host-pattern.js';
import { compareServices, hostnameOf } from './local-service.js';
import type { LocalService, LocalServicePort } from './local-service.js';

/** A Service as one peer may see it, with the Service it stands for. */
export interface ExportedService extends PublicService {
  readonly source: LocalService;
}

export interface ExportsInput {
  /** Label whose presence, with any value, makes a Service public. */
  readonly label: string;
  readonly clusterDomain: string;
  /** All Services of this cluster: unlabelled ones matter for ports that can't be told apart. */
  readonly services: readonly LocalService[];
  /** `spec.exports` of the peer's resource; absent = every labelled Service. */
  readonly exports?: FederationExports | undefined;
  readonly subjectAltNames: (service: LocalService) => readonly string[];
  /** Absent: not judged (the caller does not know the pods). */
  readonly hasMeshEndpoints?: (service: LocalService) => boolean;
}

export interface Exports {
  readonly services: readonly ExportedService[];
  readonly findings: readonly Finding[];
}

/**
 * What one peer may see and call: the one function behind the document the controller signs and the grants that `mesh`
 * enforces, so that they can't disagree. Sorted by namespace and name.
 */
export function exportsFor(input: ExportsInput): Exports {
  const chosen = sharedServices(input);
  const unnamed = chosen.filter((service) => !everyPortIsUsable(service));
  const usable = chosen.filter(everyPortIsUsable);
  const byPort = servicesByTargetPort(input.services);
  return {
    services: exportedServicesFor(input),
    findings: [
      ...unnamed.map((service) => portUnnamed(service, input.clusterDomain)),
      ...usable.flatMap((service) => [...sharedTargetPort(input, service, byPort), ...noMeshEndpoints(input, service)]),
    ],
  };
}

/** The services of `exportsFor` without its findings, which cost more: for enforcement, which needs no advice. */
export function exportedServicesFor(input: ExportsInput): readonly ExportedService[] {
  return sharedServices(input)
    .filter(everyPortIsUsable)
    .map((service) => exportedFrom(input, service));
}

function sharedServices(input: ExportsInput): readonly LocalService[] {
  return input.services.filter((service) => isShared(input, service)).sort(compareServices);
}

function isShared({ label, clusterDomain, exports }: ExportsInput, service: LocalService): boolean {
  if (!Object.hasOwn(service.labels, label)) return false;
  const { namespaces, hosts, serviceSelector } = exports ?? {};
  return (
    (namespaces === undefined || namespaces.includes(service.namespace)) &&
    hostAdmitted(hosts, hostnameOf(service, clusterDomain)) &&
    (serviceSelector === undefined || selectorMatches(serviceSelector as LabelSelector, service.labels))
  );
}

/** UDP can't cross a gateway and is left out silently; a Service of nothing else has no usable port. */
function crossingPorts(service: LocalService): readonly LocalServicePort[] {
  return service.ports.filter(({ protocol }) => protocol === 'TCP');
}

function everyPortIsUsable(service: LocalService): boolean {
  const ports = crossingPorts(service);
  return ports.length > 0 && ports.every(({ name }) => name !== undefined && name !== '');
}

function exportedFrom(input: ExportsInput, source: LocalService): ExportedService {
  const subjectAltNames = input.subjectAltNames(source);
  return {
    hostname: hostnameOf(source, input.clusterDomain),
    ports: crossingPorts(source)
      .map(publicPort)
      .sort((a, b) => a.port - b.port),
    ...(subjectAltNames.length === 0 ? {} : { subjectAltNames }),
    source,
  };
}

/** Only words that every reader of the document knows; what must be sniffed is left undeclared. */
function publicPort(port: LocalServicePort): PublicServicePort {
  const { name = '', port: number } = port;
  const protocol = protocolOfPort({ ...port, protocol: 'TCP' });
  if (protocol === 'auto') return { name, port: number };
  const database = ['Mongo', 'MySQL', 'Redis'].includes(protocol);
  return { name, port: number, protocol: database ? 'TCP' : protocol };
}

function portUnnamed(service: LocalService, clusterDomain: string): Finding {
  const none = crossingPorts(service).length === 0;
  return {
    reason: REASONS.PortUnnamed,
    subject: hostnameOf(service, clusterDomain),
    message: none
      ? `Service ${service.namespace}/${service.name} has no TCP port: it is not shared`
      : `Service ${service.namespace}/${service.name} has a port without a name and is not shared: name every port`,
  };
}

function noMeshEndpoints({ hasMeshEndpoints, clusterDomain }: ExportsInput, service: LocalService): readonly Finding[] {
  if (hasMeshEndpoints === undefined || hasMeshEndpoints(service)) return [];
  const message = `no pod behind Service ${service.namespace}/${service.name} has a sidecar: peers see it, calls fail; add the sidecar`;
  return [{ reason: REASONS.NoMeshEndpoints, subject: hostnameOf(service, clusterDomain), message }];
}

/**
 * A workload port is the smallest thing a sidecar can guard: another Service on the same port of the same workloads is
 * open to this peer as well. Selectors meet when one includes the other; named and numeric target ports are compared as written.
 */
function sharedTargetPort(
  { clusterDomain }: ExportsInput,
  service: LocalService,
  byPort: ServicesByTargetPort,
): readonly Finding[] {
  const neighbours = crossingPorts(service).flatMap((port) => byPort.get(targetKey(service, port)) ?? []);
  return [...new Set(neighbours)]
    .filter((other) => other !== service && selectorsMeet(service, other))
    .sort(compareServices)
    .map((other) => ({
      reason: REASONS.SharedTargetPort,
      subject: hostnameOf(service, clusterDomain),
      message: `Services ${service.name} and ${other.name} of namespace ${service.namespace} share a target port: whoever may call one may call the other; give them ports of their own`,
    }));
}

/** Services by namespace and target port, so that finding the neighbours of one does not mean looking at all. */
type ServicesByTargetPort = ReadonlyMap<string, readonly LocalService[]>;

function servicesByTargetPort(services: readonly LocalService[]): ServicesByTargetPort {
  const byPort = new Map<string, LocalService[]>();
  for (const service of services) {
    for (const key of new Set(crossingPorts(service).map((port) => targetKey(service, port)))) {
      const known = byPort.get(key);
      if (known === undefined) byPort.set(key, [service]);
      else known.push(service);
    }
  }
  return byPort;
}

function targetKey({ namespace }: LocalService, { targetPort }: LocalServicePort): string {
  return `${namespace} ${targetPort}`;
}

function selectorsMeet(a: LocalService, b: LocalService): boolean {
  if (a.selector === undefined || b.selector === undefined) return false;
  const [fewer, more] =
    Object.keys(a.selector).length <= Object.keys(b.selector).length
      ? [a.selector, b.selector]
      : [b.selector, a.selector];
  return Object.entries(fewer).every(([key, value]) => more[key] === value);
}
