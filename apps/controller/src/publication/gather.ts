import { parseIstioFederation, parseIstioMulticluster } from '#crd';
import type { IstioFederation } from '#crd';
import { modePolicyFrom } from '#istio-api';
import type { Secret } from '#istio-api';
import type { Clock } from '#model';
import { labels, names, peerKey, readerSecretName } from '#model';
import type { GatewayAddress } from '#model';
import { localServiceFrom, namespacesInPlainText, workloadIndex } from '#planner';
import type { ControllerConfig } from '../config.js';
import { contentOf, hostsOf } from '../federation/read-documents.js';
import type { SigningState } from '../identity/identity-keeper.js';
import type { Memories } from '../memories.js';
import { multiclusterContentOf } from '../multicluster/documents.js';
import type { PeerResource } from '../peer/input.js';
import { silenceOf } from '../peer/silence.js';
import type { PeerLinks } from '../peer-link/links.js';
import { apiServerAddresses } from '../world.js';
import type { World } from '../world.js';
import type { AddressBook } from './address-book.js';
import type { CredentialBook } from './credential-book.js';
import { doorAuthority, readIfThere } from './door-authority.js';
import { allocatedAddresses } from './decide.js';
import type { HeardOffer } from './admitted-offer.js';
import type { PublicationInput } from './decide.js';
import { heldPeer } from './held.js';
import type { GatewayBook, OwnGateways } from './own-gateways.js';
import { refOf } from './standing.js';
import type { KnownPeer } from './standing.js';
import type { RemoteClusterFacts } from './remote-clusters.js';

export interface PublicationSources {
  readonly world: World;
  readonly config: ControllerConfig;
  readonly memories: Pick<Memories, 'get' | 'fault'>;
  readonly links: Pick<PeerLinks, 'hearing'>;
  readonly addressBook: AddressBook;
  readonly credentials: CredentialBook;
  readonly gatewayBook: GatewayBook;
  readonly clock: Clock;
  /** Of the door's certificate where it is ours to keep, PEM. */
  readonly doorAuthorities?: string | undefined;
}

/** Reads everything one pass looks at into one value. */
export function gatherPublication(sources: PublicationSources, signing: SigningState): PublicationInput {
  const { world, config, clock } = sources;
  const peers = peersOf(world, config).map((resource) => knownPeer(sources, resource));
  const services = world.services.list().map(localServiceFrom);
  const publicDocument = world.secrets.get(config.mesh.releaseNamespace, names.publicDocumentSecret);
  return {
    now: clock.now(),
    mesh: config.mesh,
    peersNamespace: config.peersNamespace,
    label: config.publicServiceLabel,
    signing,
    tlsCA: sources.doorAuthorities ?? doorAuthority(config.multicluster.doorCertificateDirectory),
    peers,
    offers: heardOffers(sources.addressBook, peers),
    services,
    workloads: workloadIndex(world.pods.list(), config.mesh.trustDomain),
    plainText: plainTextOf(world, config.mesh.rootNamespace),
    gateways: ownGateways(sources),
    virtualAddresses: allocatedAddresses(world.serviceEntries.list()),
    liveImports: [...world.serviceEntries.list(), ...world.destinationRules.list()],
    liveDocuments: world.documents.list().filter((secret) => secret.metadata?.labels?.[labels.document] === 'private'),
    ...(publicDocument === undefined ? {} : { livePublicDocument: publicDocument }),
    trustUnscoped: !config.meshEnabled,
    ...(config.multiclusterEnabled ? { remote: remoteFacts(sources, peers) } : {}),
  };
}

/** Looked for once a pass, and only where somebody asks. */
function plainTextOf({ pods, peerAuthentications }: World, rootNamespace: string): () => readonly string[] {
  let found: readonly string[] | undefined;
  return () =>
    (found ??= namespacesInPlainText(pods.list(), peerAuthentications.list().map(modePolicyFrom), rootNamespace));
}

function ownGateways({ world, config, clock, gatewayBook }: PublicationSources): OwnGateways {
  const { releaseNamespace } = config.mesh;
  return gatewayBook.tell({
    now: clock.now(),
    announceMs: config.keyAnnounceMs,
    namespace: releaseNamespace,
    service: world.services.get(config.gatewayService.namespace, config.gatewayService.name),
    nodes: world.nodes?.list() ?? [],
    pods: world.pods.list().filter((pod) => pod.metadata?.labels?.['istio'] === 'eastwestgateway'),
    override: config.gatewayOverride,
    cluster: world.configMaps.get(releaseNamespace, names.clusterConfigMap),
    stored: world.configMaps.get(releaseNamespace, names.gatewaysConfigMap),
  });
}

/** All resources that can be read; a broken one keeps what its memory holds out of the mesh until it is mended. */
export function federationsOf(world: World): readonly IstioFederation[] {
  return world.federations.list().flatMap((object) => {
    const parsed = parseIstioFederation(object);
    return parsed.ok ? [parsed.value] : [];
  });
}

/** Resources of both kinds, as far as their scheme is on. */
export function peersOf(world: World, config: ControllerConfig): readonly PeerResource[] {
  const multiclusters = (world.multiclusters?.list() ?? []).flatMap((object) => {
    const parsed = parseIstioMulticluster(object);
    return parsed.ok ? [parsed.value] : [];
  });
  return [...(config.federationEnabled ? federationsOf(world) : []), ...multiclusters];
}

function knownPeer(sources: PublicationSources, resource: PeerResource): KnownPeer {
  const { memories, links, clock } = sources;
  const ref = refOf(resource);
  const memory = memories.get(ref);
  const silence = silenceOf(links.hearing(peerKey(ref)), memory, resource.status, clock.now());
  if (memories.fault(ref) !== undefined) return heldPeer(sources, resource, silence.silentMs);
  const hosts = ref.kind === 'IstioFederation' ? hostsOf(memory) : [];
  return { resource, ...silence, hosts, ...(memory === undefined ? {} : { memory }) };
}

function heardOffers(addressBook: AddressBook, peers: readonly KnownPeer[]): ReadonlyMap<string, HeardOffer> {
  return new Map(peers.map((peer) => [peerKey(refOf(peer.resource)), heardOffer(addressBook, peer)]));
}

function heardOffer(addressBook: AddressBook, { resource, memory }: KnownPeer): HeardOffer {
  if (resource.kind === 'IstioFederation') {
    const content = contentOf(memory);
    const { allowed, findings } = addressBook.judge(content?.ingressGateways ?? []);
    return { services: content?.publicServices ?? [], gateways: allowed, findings };
  }
  const content = multiclusterContentOf(memory);
  const { allowed, findings } = addressBook.judge(content?.ingressGateways ?? []);
  const apiHost = content === undefined ? [] : addressBook.judge([hostAndPort(content.apiHost)]).findings;
  // What is said of the API server must not be taken for a gateway (trust rule 15).
  const ofApiHost = apiHost.map(({ reason, message }) => ({ reason, message, subject: 'apiHost' }));
  return { services: [], gateways: allowed, findings: [...findings, ...ofApiHost] };
}

function hostAndPort(apiHost: string): GatewayAddress {
  const { hostname, port } = new URL(`https://${apiHost}`);
  return { address: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 443 : port) };
}

/** Credentials that are there stay; a peer or reader without one gets it now. */
function remoteFacts(
  { world, config, credentials: book }: PublicationSources,
  peers: readonly KnownPeer[],
): RemoteClusterFacts {
  const { multicluster, mesh } = config;
  const namesOfPeers = peers.flatMap(({ resource }) =>
    resource.kind === 'IstioMulticluster' ? [resource.metadata.name] : [],
  );
  const credentials = multicluster.readers.map((reader) => {
    const secret = world.secrets.get(mesh.releaseNamespace, readerSecretName(reader));
    const kept = secret && textsOf(secret);
    const tokens = namesOfPeers.map((name) => [name, book.credential(reader, name, kept)]);
    return [reader, Object.fromEntries(tokens) as Record<string, string>] as const;
  });
  return {
    wayOutUrl: multicluster.wayOutUrl,
    wayOutCa: readIfThere(multicluster.wayOutCaFile),
    credentials: new Map(credentials),
    apiHost: multicluster.apiHost ?? '',
    ownAddresses: apiServerAddresses(world),
    ownNetwork: config.networkName,
  };
}

function textsOf({ data = {} }: Secret): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}
