import { parseIstioFederation } from '#crd';
import type { IstioFederation } from '#crd';
import type { Clock } from '#model';
import { labels, names, peerKey } from '#model';
import { gatewayAddresses, localServiceFrom, workloadIndex } from '#planner';
import type { ControllerConfig } from '../config.js';
import { contentOf, hostsOf } from '../federation/read-documents.js';
import type { SigningState } from '../identity/identity-keeper.js';
import type { Memories } from '../memories.js';
import type { PeerLinks } from '../peer-link/links.js';
import type { World } from '../world.js';
import type { AddressBook } from './address-book.js';
import { allocatedAddresses } from './decide.js';
import type { HeardOffer, PublicationInput } from './decide.js';
import { refOf } from './standing.js';
import type { KnownPeer } from './standing.js';

/** A peer that said nothing for so long counts as silent even without an error. */
const quietMs = 45_000;

export interface PublicationSources {
  readonly world: World;
  readonly config: ControllerConfig;
  readonly memories: Memories;
  readonly links: PeerLinks;
  readonly addressBook: AddressBook;
  readonly clock: Clock;
}

/** Reads everything one pass looks at into one value. */
export async function gatherPublication(sources: PublicationSources, signing: SigningState): Promise<PublicationInput> {
  const { world, config, clock } = sources;
  const peers = federationsOf(world).map((resource) => knownPeer(sources, resource));
  const services = world.services.list().map(localServiceFrom);
  const publicDocument = world.secrets.get(config.mesh.releaseNamespace, names.publicDocumentSecret);
  return {
    now: clock.now(),
    mesh: config.mesh,
    peersNamespace: config.peersNamespace,
    label: config.publicServiceLabel,
    signing,
    peers,
    offers: await heardOffers(sources, peers),
    services,
    workloads: workloadIndex(world.pods.list(), config.mesh.trustDomain),
    gateways: gatewayAddresses({
      service: world.services.get(config.gatewayService.namespace, config.gatewayService.name),
      nodes: world.nodes?.list() ?? [],
      pods: world.pods.list().filter((pod) => pod.metadata?.labels?.['istio'] === 'eastwestgateway'),
      override: config.gatewayOverride,
    }),
    virtualAddresses: allocatedAddresses(world.serviceEntries.list()),
    liveDocuments: world.documents.list().filter((secret) => secret.metadata?.labels?.[labels.document] === 'private'),
    ...(publicDocument === undefined ? {} : { livePublicDocument: publicDocument }),
  };
}

/** All resources that can be read; a broken one keeps what its memory holds out of the mesh until it is mended. */
export function federationsOf(world: World): readonly IstioFederation[] {
  return world.federations.list().flatMap((object) => {
    const parsed = parseIstioFederation(object);
    return parsed.ok ? [parsed.value] : [];
  });
}

function knownPeer({ memories, links, clock }: PublicationSources, resource: IstioFederation): KnownPeer {
  const ref = refOf(resource);
  const memory = memories.get(ref);
  const hearing = links.hearing(peerKey(ref));
  const last = Math.max(
    hearing.lastContact ?? 0,
    memory?.privateDocument?.fetchedAt ?? memory?.publicDocument.fetchedAt ?? 0,
  );
  const failing = hearing.publicFailure !== undefined || hearing.privateFailure !== undefined;
  const quiet = clock.now() - last;
  // Time in which we ourselves did not listen is no silence of the peer: it counts once the peer was asked.
  const asked = failing || hearing.lastContact !== undefined;
  const silentMs = asked && last > 0 && (failing || quiet > quietMs) ? quiet : 0;
  return { resource, silentMs, hosts: hostsOf(memory), ...(memory === undefined ? {} : { memory }) };
}

async function heardOffers(
  { addressBook }: PublicationSources,
  peers: readonly KnownPeer[],
): Promise<ReadonlyMap<string, HeardOffer>> {
  const offers = await Promise.all(
    peers.map(async (peer): Promise<readonly [string, HeardOffer]> => {
      const content = contentOf(peer.memory);
      const { allowed, findings } = await addressBook.judge(content?.ingressGateways ?? []);
      return [peerKey(refOf(peer.resource)), { services: content?.publicServices ?? [], gateways: allowed, findings }];
    }),
  );
  return new Map(offers);
}
