import { REASONS } from '#crd';
import type { FederationExports } from '#crd';
import { protocolOfPort, selectorMatches } from '#istio-api';
import type { LabelSelector } from '#istio-api';
import { reservedPorts, serviceLimits } from '#model';
import type { Finding, PublicService, PublicServicePort } from '#model';
import { hostAdmitted } from './host-pattern.js';
import { compareServices, hostnameOf } from './local-service.js';
import type { LocalService, LocalServicePort } from './local-service.js';

/** So many Services are named in one finding. */
const mostNamed = 5;
/** So many are compared with one, at most. */
const mostLooks = 500;

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
  const usable = chosen.filter((service) => faultOf(service, input) === undefined);
  const byPort = servicesByTargetPort(input.services);
  return {
    services: exportedServicesFor(input),
    findings: [
      ...chosen.flatMap((service) => shareFindings(input, service)),
      ...usable.flatMap((service) => noMeshEndpoints(input, service)),
      // Advice comes last: status shows only so many findings.
      ...usable.flatMap((service) => sharedTargetPort(input, service, byPort)),
    ],
  };
}

/** The services of `exportsFor` without its findings, which cost more: for enforcement, which needs no advice. */
export function exportedServicesFor(input: ExportsInput): readonly ExportedService[] {
  return sharedServices(input)
    .filter((service) => faultOf(service, input) === undefined)
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

/** UDP can't cross a gateway and is left out silently; what a sidecar keeps for itself is told. */
function crossingPorts(service: LocalService): readonly LocalServicePort[] {
  return service.ports.filter((port) => port.protocol === 'TCP' && !isReserved(port));
}

function isReserved({ port, targetPort }: LocalServicePort): boolean {
  return reservedPorts.has(port) || (typeof targetPort === 'number' && reservedPorts.has(targetPort));
}

/** Why a Service is not shared although it is labelled, with the remedy; undefined where it can be. */
function faultOf(
  service: LocalService,
  { subjectAltNames }: Pick<ExportsInput, 'subjectAltNames'>,
): Pick<Finding, 'reason' | 'message'> | undefined {
  return unusable(service) ?? beyondTheWire(service, subjectAltNames);
}

/** What every reader of the document would leave out (docs/protocol.md, "Limits"). */
function beyondTheWire(
  service: LocalService,
  subjectAltNames: ExportsInput['subjectAltNames'],
): Pick<Finding, 'reason' | 'message'> | undefined {
  const { portsPerService, subjectAltNamesPerService } = serviceLimits;
  const ports = crossingPorts(service).length;
  if (ports > portsPerService)
    return {
      reason: REASONS.ServiceInvalid,
      message: `has ${ports} ports, of which a document takes ${portsPerService}: it is not shared; split it`,
    };
  const identities = subjectAltNames(service).length;
  if (identities <= subjectAltNamesPerService) return undefined;
  return {
    reason: REASONS.ServiceInvalid,
    message: `has pods of ${identities} service accounts, of which a document takes ${subjectAltNamesPerService}: it is not shared; let its pods share accounts, or split it`,
  };
}

function unusable(service: LocalService): Pick<Finding, 'reason' | 'message'> | undefined {
  const unselective = Object.keys(service.selector ?? {}).length === 0;
  if (service.external === true || unselective) {
    const why = service.external === true ? 'is of type ExternalName' : 'has no selector';
    const message = `${why}, so that no sidecar stands behind it to let peers in: it is not shared; select pods with a sidecar, or take the label off`;
    return { reason: REASONS.ServiceInvalid, message };
  }
  const ports = crossingPorts(service);
  if (ports.length === 0 && service.ports.some(isReserved))
    return { reason: REASONS.ServiceInvalid, message: 'has no port but those of the sidecar: it is not shared' };
  if (ports.length === 0) return { reason: REASONS.PortUnnamed, message: 'has no TCP port: it is not shared' };
  if (ports.every(({ name }) => name !== undefined && name !== '')) return undefined;
  return { reason: REASONS.PortUnnamed, message: 'has a port without a name and is not shared: name every port' };
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

/** What is not shared of a Service, and why. */
function shareFindings(input: ExportsInput, service: LocalService): readonly Finding[] {
  const found = faultOf(service, input) ?? reservedPart(service);
  if (found === undefined) return [];
  const { reason, message } = found;
  const subject = hostnameOf(service, input.clusterDomain);
  return [{ reason, subject, message: `Service ${service.namespace}/${service.name} ${message}` }];
}

function reservedPart(service: LocalService): Pick<Finding, 'reason' | 'message'> | undefined {
  const left = service.ports.filter(isReserved).map(({ port, targetPort }) => `${port} (to ${targetPort})`);
  if (left.length === 0) return undefined;
  const message = `has ports that a sidecar keeps for itself and that cannot be called: ${left.join(', ')}; they are not shared: give them other numbers`;
  return { reason: REASONS.ServiceInvalid, message };
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
  const others = neighboursOf(service, byPort);
  if (others.length === 0) return [];
  const more = others.length > mostNamed ? ' and others' : '';
  const named = others.slice(0, mostNamed).map(({ name }) => name);
  const message = `Service ${service.namespace}/${service.name} shares a target port with ${named.join(', ')}${more} of its namespace: whoever may call one may call the others; give each a target port of its own`;
  return [{ reason: REASONS.SharedTargetPort, subject: hostnameOf(service, clusterDomain), message }];
}

/** One more than are named, if there are so many: in a namespace of thousands of Services each is not compared with each. */
function neighboursOf(service: LocalService, byPort: ServicesByTargetPort): readonly LocalService[] {
  const found = new Set<LocalService>();
  let looks = 0;
  for (const key of targetKeys(service)) {
    for (const other of byPort.get(key) ?? []) {
      if (found.size > mostNamed || (looks += 1) > mostLooks) return [...found].sort(compareServices);
      if (other !== service && selectorsMeet(service, other)) found.add(other);
    }
  }
  return [...found].sort(compareServices);
}

/** Services by namespace, target port and one label of their selectors: those that meet have one in common. */
type ServicesByTargetPort = ReadonlyMap<string, readonly LocalService[]>;

function servicesByTargetPort(services: readonly LocalService[]): ServicesByTargetPort {
  const byPort = new Map<string, LocalService[]>();
  for (const service of [...services].sort(compareServices)) {
    for (const key of targetKeys(service)) {
      const known = byPort.get(key);
      if (known === undefined) byPort.set(key, [service]);
      else known.push(service);
    }
  }
  return byPort;
}

function targetKeys(service: LocalService): ReadonlySet<string> {
  const { namespace, selector = {} } = service;
  const labels = Object.entries(selector).map(([name, value]) => `${name}=${value}`);
  const ports = crossingPorts(service).map(({ targetPort }) => targetPort);
  return new Set(ports.flatMap((port) => labels.map((label) => `${namespace} ${port} ${label}`)));
}

function selectorsMeet(a: LocalService, b: LocalService): boolean {
  if (a.selector === undefined || b.selector === undefined) return false;
  const [fewer, more] =
    Object.keys(a.selector).length <= Object.keys(b.selector).length
      ? [a.selector, b.selector]
      : [b.selector, a.selector];
  return Object.entries(fewer).every(([key, value]) => more[key] === value);
}
