import { REASONS } from '#crd';
import { compareText, peerKey, sortedUnique } from '#model';
import type { Finding, GatewayAddress, PeerRef, PublicService, PublicServicePort } from '#model';
import { importProtocol } from './import-protocol.js';
import type { ImportProtocol } from './import-protocol.js';

// The winner rule, stated here and nowhere else (docs/adr/0006): services are merged by hostname. Hostnames meet only where two
// resources name one cluster domain, since a peer may offer names below its own domain only (admit-offer.ts). The resource
// that was created first (then by its key) declares the ports. Another peer joins with its gateways when it offers every one
// of those ports with the same number and protocol; else it is left out of that service with a PortConflict: an endpoint of a
// ServiceEntry serves all ports of it or none. Ports that only a later peer has are left out likewise.

/** One trusted peer and what of its offer was admitted. */
export interface PeerOffer {
  readonly peer: PeerRef;
  /** RFC 3339 creation time of the peer's resource. */
  readonly createdAt: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly gateways: readonly GatewayAddress[];
  /** As `admitOffer` let them through. */
  readonly services: readonly PublicService[];
  /** `spec.imports.exportTo`; absent = visible everywhere. */
  readonly exportTo?: readonly string[] | undefined;
  /** Hosts whose endpoints a stale policy has withdrawn. */
  readonly withdrawnHosts?: readonly string[];
}

export interface MergedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: ImportProtocol;
}

/** One way to a service: a gateway of one peer. */
export interface MergedEndpoint {
  readonly peer: PeerRef;
  readonly trustDomain: string;
  readonly gateway: GatewayAddress;
}

export interface MergedService {
  readonly hostname: string;
  readonly ports: readonly MergedPort[];
  readonly endpoints: readonly MergedEndpoint[];
  /** Exact SPIFFE ids that may answer; empty when `sanPrefixes` is used instead. */
  readonly subjectAltNames: readonly string[];
  /** Where a peer names no identities: URI prefixes of which one must fit. */
  readonly sanPrefixes: readonly string[];
  readonly exportTo: readonly string[];
  /** Peers that offer it, the winner first. */
  readonly peers: readonly PeerRef[];
}

/** A finding and the peer in whose status it belongs. */
export interface PeerFinding extends Finding {
  readonly peer: PeerRef;
}

interface Claim {
  readonly offer: PeerOffer;
  readonly service: PublicService;
}

/** All peers' admitted services as this cluster sees them, sorted by hostname. */
export function mergeServices(offers: readonly PeerOffer[]): {
  readonly services: readonly MergedService[];
  readonly findings: readonly PeerFinding[];
} {
  const ranked = [...offers].sort(
    (a, b) => compareText(a.createdAt, b.createdAt) || compareText(peerKey(a.peer), peerKey(b.peer)),
  );
  const claims = ranked.flatMap((offer) => offer.services.map((service): Claim => ({ offer, service })));
  const byHost = Map.groupBy(claims, ({ service }) => service.hostname);
  const merged = [...byHost.entries()]
    .sort(([a], [b]) => compareText(a, b))
    .map(([hostname, rivals]) => mergeHost(hostname, rivals));
  return { services: merged.map(({ service }) => service), findings: merged.flatMap(({ findings }) => findings) };
}

function mergeHost(
  hostname: string,
  rivals: readonly Claim[],
): { readonly service: MergedService; readonly findings: readonly PeerFinding[] } {
  const ports = (rivals[0]?.service.ports ?? []).map(mergedPort).sort((a, b) => a.port - b.port);
  const findings = rivals.slice(1).flatMap((claim) => portFindings(hostname, ports, claim));
  const joined = rivals.filter(({ service }) => offersAll(ports, service));
  return {
    service: {
      hostname,
      ports,
      endpoints: endpointsOf(hostname, joined),
      ...identities(hostname, joined),
      exportTo: visibility(joined),
      peers: joined.map(({ offer }) => offer.peer),
    },
    findings,
  };
}

function mergedPort({ name, port, protocol }: PublicServicePort): MergedPort {
  return { name, port, protocol: importProtocol(name, protocol) };
}

function samePort(a: MergedPort, b: MergedPort): boolean {
  return a.name === b.name && a.port === b.port && a.protocol === b.protocol;
}

function offersAll(ports: readonly MergedPort[], service: PublicService): boolean {
  const theirs = service.ports.map(mergedPort);
  return ports.every((port) => theirs.some((other) => samePort(port, other)));
}

function portFindings(
  hostname: string,
  ports: readonly MergedPort[],
  { offer, service }: Claim,
): readonly PeerFinding[] {
  const extra = service.ports.map(mergedPort).filter((port) => !ports.some((other) => samePort(port, other)));
  const leftOut = !offersAll(ports, service);
  if (extra.length === 0 && !leftOut) return [];
  const theirs = extra.map(({ name, port, protocol }) => `${name}=${port}/${protocol}`).join(', ');
  const message = leftOut
    ? `the peer's ports (${theirs || 'too few'}) differ from those of the older resource for this name: its gateways are left out; align the Services`
    : `ports ${theirs} are not offered by the older resource for this name and are left out`;
  return [{ peer: offer.peer, reason: REASONS.PortConflict, subject: hostname, message }];
}

function endpointsOf(hostname: string, joined: readonly Claim[]): readonly MergedEndpoint[] {
  const endpoints = joined
    .filter(({ offer }) => !(offer.withdrawnHosts ?? []).includes(hostname))
    .flatMap(({ offer }) =>
      offer.gateways.map((gateway): MergedEndpoint => ({ peer: offer.peer, trustDomain: offer.trustDomain, gateway })),
    );
  const keyed = new Map(
    endpoints.map((endpoint) => [`${endpoint.gateway.address} ${endpoint.gateway.port}`, endpoint]),
  );
  return [...keyed.entries()].sort(([a], [b]) => compareText(a, b)).map(([, endpoint]) => endpoint);
}

/**
 * Trust rule 8. A legacy peer names no identities: its service must at least answer from the Service's own namespace. Where one
 * peer of a service is known by prefix only, all are, since exact names would shut it out.
 */
function identities(
  hostname: string,
  joined: readonly Claim[],
): Pick<MergedService, 'subjectAltNames' | 'sanPrefixes'> {
  const namespace = hostname.split('.')[1] ?? '';
  if (joined.every(({ service }) => (service.subjectAltNames ?? []).length > 0)) {
    return {
      subjectAltNames: sortedUnique(joined.flatMap(({ service }) => service.subjectAltNames ?? [])),
      sanPrefixes: [],
    };
  }
  const prefixes = joined.map(({ offer }) => `spiffe://${offer.trustDomain}/ns/${namespace}/`);
  return { subjectAltNames: [], sanPrefixes: sortedUnique(prefixes) };
}

function visibility(joined: readonly Claim[]): readonly string[] {
  const all = sortedUnique(joined.flatMap(({ offer }) => offer.exportTo ?? ['*']));
  // Of an empty list, which admission refuses by now, a stored one means everybody, as it did when it was written.
  return all.includes('*') || all.length === 0 ? ['*'] : all;
}
