import type { ConfigMap, Gateway, Secret, ServiceEntry } from '#istio-api';
import { annotations, documentSecretName, labels, names, peerKey, trustSecretData } from '#model';
import type { PeerRef, TrustRegistry } from '#model';
import {
  allocateVirtualAddresses,
  authorizationPoliciesFor,
  caCertificatesFor,
  destinationRuleFor,
  exportsFor,
  federationDocumentFor,
  gatewayFor,
  grantsFor,
  mergeServices,
  multiclusterDocumentFor,
  serviceEntryFor,
} from '#planner';
import type {
  CaCertificate,
  Exports,
  LocalService,
  MergedService,
  MeshFacts,
  OwnTrust,
  VirtualAddress,
  WorkloadIndex,
} from '#planner';
import { parseCertificate } from '#trust';
import type { IstioFederation } from '#crd';
import type { KubernetesObject } from '#istio-api';
import type { SigningState } from '../identity/identity-keeper.js';
import { admittedOffer } from './admitted-offer.js';
import type { HeardOffer } from './admitted-offer.js';
import { privateDocument, publicDocument } from './documents.js';
import type { DocumentContent, DocumentDraft } from './documents.js';
import type { OwnGateways } from './own-gateways.js';
import { withHeldImports } from './held.js';
import { peerPublications } from './peer-publication.js';
import type { PeerPublication } from './peer-publication.js';
import { remoteClustersFor } from './remote-clusters.js';
import type { RemoteClusterFacts, RemoteClusters } from './remote-clusters.js';
import { registered } from './registered.js';
import { isFederation, isMulticluster, refOf, standingsOf } from './standing.js';
import type { KnownPeer, Standing } from './standing.js';

/** Everything one publication pass looks at; immutable. */
export interface PublicationInput {
  readonly now: number;
  readonly mesh: MeshFacts;
  readonly peersNamespace: string;
  readonly label: string;
  readonly signing: SigningState;
  /** What the door's certificate is checked against, PEM; empty where a public authority issued it. */
  readonly tlsCA: string;
  readonly peers: readonly KnownPeer[];
  readonly offers: ReadonlyMap<string, HeardOffer>;
  readonly services: readonly LocalService[];
  readonly workloads: WorkloadIndex;
  /** Namespaces with sidecars that take plain text. */
  readonly plainText: () => readonly string[];
  readonly gateways: OwnGateways;
  readonly virtualAddresses: readonly VirtualAddress[];
  readonly liveImports: readonly KubernetesObject[];
  readonly liveDocuments: readonly Secret[];
  readonly livePublicDocument?: Secret;
  /** Where the multicluster scheme is on. */
  readonly remote?: RemoteClusterFacts;
  /** A stock istiod serves the proxies: it is told of roots through its mesh configuration, and pools them. */
  readonly trustUnscoped: boolean;
}

export interface PublicationVerdict {
  readonly registry: TrustRegistry;
  readonly trustSecret: Secret;
  /** Public and private, as they will stand once those that must be are signed. */
  readonly publicDocument?: DocumentDraft;
  readonly documents: readonly DocumentDraft[];
  /** What peers are told of our gateways, kept over restarts. */
  readonly toldGateways?: ConfigMap;
  /** By peer key: what its document says. */
  readonly contents: ReadonlyMap<string, DocumentContent>;
  readonly imports: readonly KubernetesObject[];
  readonly policies: readonly KubernetesObject[];
  readonly gateway?: Gateway;
  readonly virtualAddresses: readonly VirtualAddress[];
  /** By peer key: audience for the private channel, of trusted peers only. */
  readonly audiences: ReadonlyMap<string, string>;
  readonly perPeer: ReadonlyMap<string, PeerPublication>;
  /** Where the multicluster scheme is on. */
  readonly remote?: RemoteClusters;
  /** Where a stock istiod serves the proxies. */
  readonly caCertificates?: readonly CaCertificate[];
  readonly nextLookMs: number;
}

/** One pass over all peers and all local Services: everything this cluster should hold and say. Pure and deterministic. */
export function decidePublication(input: PublicationInput): PublicationVerdict {
  const own = {
    clusterUUID: input.signing.identity.clusterUUID,
    trustDomain: input.mesh.trustDomain,
    roots: input.signing.roots,
  };
  const { standings, registry } = registered(standingsOf(input.peers, own, input.now), input.now);
  const trusted = standings.filter((standing) => standing.trusted);
  const federated = trusted.filter(isFederation);
  const multicluster = trusted.filter(isMulticluster);
  const offers = new Map(
    federated.map((standing) => {
      const key = peerKey(refOf(standing.peer.resource));
      return [key, admittedOffer(standing, input.offers.get(key), input.mesh.clusterDomain)];
    }),
  );
  const merged = mergeServices([...offers.values()].map(({ offer }) => offer));
  const exported = new Map(
    federated.map((standing) => [peerKey(refOf(standing.peer.resource)), exportsTo(input, standing)]),
  );
  const planned = withHeldImports(importsOf(input.mesh, merged.services), input.liveImports, standings);
  const virtualAddresses = allocateVirtualAddresses(input.virtualAddresses, hostsOf(planned));
  const imports = withVirtualAddresses(planned, virtualAddresses);
  const contents = new Map(trusted.flatMap((standing) => documentContent(input, standing, exported)));
  const gateway = gatewayFor(
    input.mesh,
    [...exported.values()].flatMap(({ services }) => services),
    multicluster.length > 0,
  );
  const remote =
    input.remote === undefined ? undefined : remoteClustersFor({ ...input, facts: input.remote }, multicluster);
  const openDocument = publicDocument(input, input.livePublicDocument, {
    namespace: input.mesh.releaseNamespace,
    now: input.now,
  });
  return {
    registry,
    trustSecret: trustSecret(input.mesh.releaseNamespace, registry),
    ...(openDocument === undefined ? {} : { publicDocument: openDocument }),
    ...(input.gateways.kept === undefined ? {} : { toldGateways: input.gateways.kept }),
    documents: trusted.flatMap((standing) => documentFor(input, standing, contents)),
    contents,
    imports,
    policies: authorizationPoliciesFor(input.mesh, grants(input, registry)),
    ...(gateway === undefined ? {} : { gateway }),
    virtualAddresses,
    audiences: new Map(registry.peers.map((peer) => [peerKey(peer), peer.clusterUUID])),
    ...(remote === undefined ? {} : { remote }),
    ...(input.trustUnscoped ? { caCertificates: poolableRoots(own, registry) } : {}),
    perPeer: peerPublications(input, { standings, offers, exported, merged, remote }),
    nextLookMs: Math.min(
      60_000,
      input.gateways.changesInMs ?? 60_000,
      ...standings.flatMap(({ changesInMs }) => changesInMs ?? []),
    ),
  };
}

/** istiod refuses all roots where one of them is no authority: one peer's nonsense is not the others' loss. */
function poolableRoots(own: OwnTrust, registry: TrustRegistry): readonly CaCertificate[] {
  return caCertificatesFor(own, registry).filter(({ pem }) => parseCertificate(pem).isCA);
}

function importsOf(mesh: MeshFacts, services: readonly MergedService[]): readonly KubernetesObject[] {
  return services.flatMap((service) => [serviceEntryFor(mesh, service), destinationRuleFor(mesh, service)]);
}

function hostsOf(imports: readonly KubernetesObject[]): readonly string[] {
  return imports.flatMap((object) =>
    object.kind === 'ServiceEntry' ? ((object as ServiceEntry).spec?.hosts ?? []) : [],
  );
}

function withVirtualAddresses(
  imports: readonly KubernetesObject[],
  addresses: readonly VirtualAddress[],
): readonly KubernetesObject[] {
  const byHost = new Map(addresses.map(({ hostname, address }) => [hostname, address]));
  return imports.map((object) => {
    const address = byHost.get(hostsOf([object])[0] ?? '');
    if (address === undefined) return object;
    const { metadata } = object;
    const written = { ...metadata?.annotations, [annotations.virtualAddress]: address };
    return { ...object, metadata: { ...metadata, annotations: written } };
  });
}

function grants(input: PublicationInput, registry: TrustRegistry): ReturnType<typeof grantsFor> {
  return grantsFor({
    label: input.label,
    clusterDomain: input.mesh.clusterDomain,
    services: input.services,
    subjectAltNames: input.workloads.subjectAltNames,
    federations: input.peers.flatMap(({ resource }) => (resource.kind === 'IstioFederation' ? [resource] : [])),
    registry,
    ownTrustDomain: input.mesh.trustDomain,
  });
}

function exportsTo(input: PublicationInput, standing: Standing<IstioFederation>): Exports {
  return exportsFor({
    label: input.label,
    clusterDomain: input.mesh.clusterDomain,
    services: input.services,
    exports: standing.peer.resource.spec.exports,
    subjectAltNames: input.workloads.subjectAltNames,
    hasMeshEndpoints: input.workloads.hasMeshEndpoints,
  });
}

function documentFor(
  input: PublicationInput,
  standing: Standing,
  contents: PublicationVerdict['contents'],
): readonly DocumentDraft[] {
  const ref: PeerRef = refOf(standing.peer.resource);
  const uuid = standing.peer.memory?.facts.clusterUUID;
  const content = contents.get(peerKey(ref));
  if (uuid === undefined || content === undefined) return [];
  const first = input.liveDocuments.find((secret) => secret.metadata?.name === documentSecretName(ref));
  const count = Number(first?.metadata?.annotations?.[annotations.shards] ?? 0);
  const live = Array.from({ length: count }, (_unused, shard) =>
    input.liveDocuments.find((secret) => secret.metadata?.name === documentSecretName(ref, shard)),
  ).filter((secret) => secret !== undefined);
  const order = { peer: ref, peerUUID: uuid, content };
  return [privateDocument(order, input.signing, live, { namespace: input.peersNamespace, now: input.now })];
}

function documentContent(
  input: PublicationInput,
  { peer: { resource } }: Standing,
  exported: ReadonlyMap<string, Exports>,
): readonly (readonly [string, DocumentContent])[] {
  const { addresses } = input.gateways;
  const key = peerKey(refOf(resource));
  const { networkName } = input.signing.identity;
  if (resource.kind === 'IstioMulticluster')
    return [[key, multiclusterDocumentFor(addresses, input.remote?.apiHost ?? '', networkName)]];
  const exports = exported.get(key);
  return exports === undefined ? [] : [[key, federationDocumentFor(exports.services, addresses)]];
}

function trustSecret(namespace: string, registry: TrustRegistry): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name: names.trustSecret, labels: { [labels.managedBy]: labels.managedByValue } },
    data: trustSecretData(registry),
  };
}

/** Virtual addresses as ServiceEntries hold them, in their status or not there yet. */
export function allocatedAddresses(entries: readonly ServiceEntry[]): readonly VirtualAddress[] {
  return entries.flatMap(({ metadata, spec, status }) => {
    const hostname = spec?.hosts[0];
    const address = status?.addresses?.[0]?.value ?? metadata?.annotations?.[annotations.virtualAddress];
    return hostname === undefined || address === undefined ? [] : [{ hostname, address }];
  });
}
