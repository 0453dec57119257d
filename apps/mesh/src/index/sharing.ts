import type { IstioFederation } from '#crd';
import type { Pod, Service } from '#istio-api';
import type { TrustRegistry } from '#model';
import { grantsFor, localServiceFrom, trustBundlesFor, workloadIndex, type OwnTrust } from '#planner';
import type { GatewayExport, MeshCluster, MeshTrust, PeerGrant } from '#xds';

export interface SharingFacts {
  readonly cluster: MeshCluster;
  readonly label: string;
  readonly services: readonly Service[];
  /** Pods whose identities may be too many for a document (`podsOfManyAccounts`). */
  readonly crowd: readonly Pod[];
  readonly federations: readonly IstioFederation[];
  readonly registry: TrustRegistry;
  /** Our own roots, PEM each. */
  readonly roots: readonly string[];
  /** Our own revocation lists, a complete set or none. */
  readonly crls: readonly string[];
}

/** What of this mesh is open to peers, and who may vouch for whom. */
export interface Sharing {
  readonly trust: MeshTrust;
  readonly grants: readonly PeerGrant[];
  readonly gatewayExports: readonly GatewayExport[];
}

/**
 * Enforcement of what peers may reach (trust rules 8 and 9), from the function that also makes the documents. The gateway holds
 * the union of what federation peers may see; everything, where a multicluster peer is trusted.
 */
export function sharingFrom(facts: SharingFacts): Sharing {
  const { cluster, label, services, federations, registry, roots, crls } = facts;
  const local = services.map(localServiceFrom);
  const { clusterDomain, trustDomain } = cluster;
  const federated = grantsFor({
    label,
    clusterDomain,
    services: local,
    subjectAltNames: workloadIndex(facts.crowd, trustDomain).subjectAltNames,
    federations,
    registry,
    ownTrustDomain: trustDomain,
  });
  const multicluster = registry.peers.filter(({ kind }) => kind === 'IstioMulticluster');
  const everything = new Set(multicluster.map((peer) => peer.trustDomain).filter((domain) => domain !== trustDomain));
  return {
    trust: trustFrom({ trustDomain, roots, crls }, registry),
    grants: [
      ...federated.map(({ trustDomain: domain, allowed }) => ({
        trustDomain: domain,
        allowed: allowed.map(({ namespace, selector, ports }) => ({
          namespace,
          podLabels: selector,
          targetPorts: ports.map(({ targetPort }) => targetPort),
        })),
      })),
      ...[...everything].sort().map((domain) => ({ trustDomain: domain, everything: true, allowed: [] })),
    ],
    gatewayExports:
      multicluster.length > 0
        ? allServices(services, clusterDomain)
        : federated.flatMap(({ allowed }) =>
            allowed.map(({ hostname, ports }) => ({ hostname, ports: ports.map(({ port }) => port) })),
          ),
  };
}

/** Every member of a trust domain gets the lists of all of them: those are one set, or none (trust rule 12). */
function trustFrom(own: OwnTrust, registry: TrustRegistry): MeshTrust {
  const lists = new Map(trustBundlesFor(own, registry).map(({ trustDomain, crls }) => [trustDomain, crls]));
  const crlsOf = (trustDomain: string): readonly string[] => lists.get(trustDomain) ?? [];
  return {
    roots: own.roots,
    crls: crlsOf(own.trustDomain),
    peers: registry.peers.map(({ trustDomain, roots }) => ({ trustDomain, roots, crls: crlsOf(trustDomain) })),
  };
}

function allServices(services: readonly Service[], clusterDomain: string): readonly GatewayExport[] {
  return services.map(({ metadata, spec }) => ({
    hostname: `${metadata?.name ?? ''}.${metadata?.namespace ?? 'default'}.svc.${clusterDomain}`,
    ports: (spec?.ports ?? []).filter(({ protocol }) => protocol !== 'UDP').map(({ port }) => port),
  }));
}
