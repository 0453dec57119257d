import { REASONS } from '#crd';
import type { FederationImports } from '#crd';
import { compareText, reservedPorts, sortedBy, sortedUnique } from '#model';
import type { Finding, PublicService, PublicServicePort } from '#model';
import { hostAdmitted } from './host-pattern.js';

export interface OfferInput {
  /** `publicServices` of the peer's document, as it came. */
  readonly services: readonly PublicService[];
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly ownClusterDomain: string;
  /** `spec.imports` of the peer's resource; absent = all. */
  readonly imports?: FederationImports | undefined;
}

export interface AdmittedOffer {
  readonly services: readonly PublicService[];
  readonly findings: readonly Finding[];
}

const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** Istio's own rule for the keys of a ServiceEntry endpoint's ports. */
const portName = /^[a-zA-Z0-9]([-a-zA-Z0-9]{0,60}[a-zA-Z0-9])?$/;
/** Istio's limit for the ports of a ServiceEntry endpoint. */
const mostPorts = 128;

/**
 * What of a peer's offer may be imported: names `<service>.<namespace>.svc.<its clusterDomain>` and nothing else, so that no
 * peer can speak for us, for another peer or for the internet. Refusals are findings; the rest is imported.
 */
export function admitOffer(input: OfferInput): AdmittedOffer {
  const seen = new Set<string>();
  const services: PublicService[] = [];
  const findings: Finding[] = [];
  for (const offered of sortedBy(input.services, ({ hostname }) => hostname)) {
    const refusal = domainFault(input, offered.hostname) ?? shapeFault(offered, seen);
    if (refusal !== undefined) {
      findings.push(refusal);
      continue;
    }
    seen.add(offered.hostname);
    if (!hostAdmitted(input.imports?.hosts, offered.hostname)) continue;
    const admitted = admitService(input, offered);
    findings.push(...admitted.findings);
    services.push(...admitted.services);
  }
  return { services, findings };
}

/** True for `<service>.<namespace>.svc.<domain>` with two DNS labels in front. */
export function isServiceOf(clusterDomain: string, hostname: string): boolean {
  const suffix = `.svc.${clusterDomain}`;
  if (!hostname.endsWith(suffix) || hostname.length > 253) return false;
  const parts = hostname.slice(0, -suffix.length).split('.');
  return parts.length === 2 && parts.every((part) => dnsLabel.test(part));
}

function domainFault({ clusterDomain, ownClusterDomain }: OfferInput, hostname: string): Finding | undefined {
  const subject = hostname.slice(0, 253);
  if (clusterDomain === ownClusterDomain) {
    const message = `the peer's cluster domain ${clusterDomain} is ours: none of its names can be imported; federated clusters need domains of their own`;
    return { reason: REASONS.DomainConflict, subject, message };
  }
  if (isServiceOf(clusterDomain, hostname)) return undefined;
  const message = `the name is not of the form <service>.<namespace>.svc.${clusterDomain}: refused; set spec.clusterDomain if the peer's domain is another`;
  return { reason: REASONS.DomainConflict, subject, message };
}

function shapeFault({ hostname, ports }: PublicService, seen: ReadonlySet<string>): Finding | undefined {
  const invalid = (message: string): Finding => ({ reason: REASONS.ServiceInvalid, subject: hostname, message });
  if (seen.has(hostname))
    return invalid('the peer offers this name twice: the first one counts; the peer must offer it once');
  if (ports.length === 0)
    return invalid('the peer offers this name without ports: refused; the peer must give its Service a named port');
  if (ports.length > mostPorts)
    return invalid(
      `the peer offers this name with more than ${mostPorts} ports: refused; the peer must export a Service with fewer`,
    );
  return undefined;
}

function admitService({ trustDomain }: OfferInput, offered: PublicService): AdmittedOffer {
  const { ports, findings } = usablePorts(offered);
  if (ports.length === 0) return { services: [], findings };
  const names = offered.subjectAltNames;
  if (names === undefined || names.length === 0) return { services: [{ hostname: offered.hostname, ports }], findings };
  const own = sortedUnique(names.filter((name) => name.startsWith(`spiffe://${trustDomain}/`)));
  if (own.length === names.length || own.length > 0) {
    return { services: [{ hostname: offered.hostname, ports, subjectAltNames: own }], findings };
  }
  const message = `the peer names only identities outside its trust domain ${trustDomain} for this service: refused; correct spec.trustDomain if its domain is another, else the peer must correct what it names`;
  return {
    services: [],
    findings: [...findings, { reason: REASONS.ServiceInvalid, subject: offered.hostname, message }],
  };
}

/** Of ports with one name or one number the first counts: Istio refuses the whole entry otherwise. */
function usablePorts({ hostname, ports }: PublicService): { ports: PublicServicePort[]; findings: Finding[] } {
  const kept: PublicServicePort[] = [];
  const findings: Finding[] = [];
  for (const port of [...ports].sort((a, b) => a.port - b.port || compareText(a.name, b.name))) {
    const fault = portFault(port, kept);
    if (fault === undefined) kept.push(port);
    else findings.push({ ...fault, subject: hostname });
  }
  return { ports: kept, findings };
}

function portFault({ name, port }: PublicServicePort, kept: readonly PublicServicePort[]): Finding | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || !portName.test(name)) {
    return {
      reason: REASONS.ServiceInvalid,
      message: `port ${name.slice(0, 63)}=${port} has no usable name or number: left out; the peer must correct its Service`,
    };
  }
  if (reservedPorts.has(port)) {
    const message = `port ${name}=${port} is one that sidecars keep for themselves and cannot be called: left out; the peer must give its Service another`;
    return { reason: REASONS.ServiceInvalid, message };
  }
  const rival = kept.find((other) => other.name === name || other.port === port);
  if (rival === undefined) return undefined;
  const message = `port ${name}=${port} repeats the name or number of port ${rival.name}=${rival.port}: left out; the peer must give each port a name and number of its own`;
  return { reason: REASONS.PortConflict, message };
}
