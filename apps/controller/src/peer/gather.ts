import type { Parsed, PeerMetadata, PeerStatus } from '#crd';
import type { ApiObject, Informer } from '#kube';
import type { Clock, PeerRef } from '#model';
import { peerKey } from '#model';
import type { ControllerConfig } from '../config.js';
import type { IdentityKeeper } from '../identity/identity-keeper.js';
import type { Memories } from '../memories.js';
import type { GatewayProber } from '../peer-link/gateway-prober.js';
import type { PeerLinks } from '../peer-link/links.js';
import type { PassNews } from '../publication/pass-news.js';
import type { World } from '../world.js';
import { authorityOf } from '#trust';
import { registeredPeer } from '../publication/held.js';
import type { PeerInput, PeerResource, RootOwner } from './input.js';
import { provenSignatures } from './proven.js';
import { givenEndpoint } from './verdict.js';

export interface PeerSources {
  readonly world: World;
  readonly config: ControllerConfig;
  readonly identity: Pick<IdentityKeeper, 'state'>;
  readonly memories: Pick<Memories, 'get' | 'fault'>;
  readonly links: Pick<PeerLinks, 'hearing'>;
  readonly prober: Pick<GatewayProber, 'results'>;
  readonly news: Pick<PassNews, 'publicationOf' | 'unwrittenOf' | 'pendingOf'>;
  readonly clock: Clock;
}

/** Reads what a reconcile of either kind looks at; undefined when the resource is gone. Rejects while this cluster has no identity yet. */
export async function gatherPeer<Resource extends PeerResource>(
  sources: PeerSources,
  ref: PeerRef,
  informer: Informer<ApiObject>,
  parse: (object: unknown) => Parsed<Resource>,
): Promise<PeerInput<Resource> | undefined> {
  const { config, identity, memories, links, prober, news, clock } = sources;
  const object = informer.get(undefined, ref.name);
  if (object === undefined) return undefined;
  const state = identity.state;
  if (state === undefined) throw new Error('this cluster’s identity and signing key are not there yet');
  const parsed = parse(object);
  const key = peerKey(ref);
  // A spec edit comes here before its link: what the old one heard was not verified as the new one says.
  const hearing = links.hearing(key, parsed.ok ? givenEndpoint(parsed.value) : undefined);
  const memory = memories.get(ref);
  return {
    ref,
    metadata: object.metadata as PeerMetadata,
    previous: (object as { readonly status?: PeerStatus }).status,
    resource: parsed.ok ? parsed.value : parsed.faults,
    hearing,
    proven: await provenSignatures(ref, hearing, memory),
    memory,
    memoryFault: memories.fault(ref),
    publication: news.publicationOf(key),
    unwritten: news.unwrittenOf(key),
    pending: news.pendingOf(key),
    probes: prober.results(key),
    claimedRoots: claimedRoots(sources, ref, { roots: state.roots, clusterUUID: state.identity.clusterUUID }),
    schemeEnabled: ref.kind === 'IstioFederation' ? config.federationEnabled : config.multiclusterEnabled,
    mesh: config.mesh,
    trustUnscoped: !config.meshEnabled,
    ownClusterUUID: state.identity.clusterUUID,
    now: clock.now(),
  };
}

function claimedRoots(
  { world, config, memories }: PeerSources,
  asking: PeerRef,
  own: { readonly roots: readonly string[]; readonly clusterUUID: string },
): ReadonlyMap<string, RootOwner> {
  const ours = own.roots.map(
    (pem) =>
      [
        authorityOf(pem),
        { name: 'this cluster', trustDomain: config.mesh.trustDomain, clusterUUID: own.clusterUUID },
      ] as const,
  );
  const others = [
    ...refsOf('IstioFederation', world.federations.list()),
    ...refsOf('IstioMulticluster', world.multiclusters?.list() ?? []),
  ].filter((ref) => peerKey(ref) !== peerKey(asking));
  const theirs = others.flatMap((ref) => {
    const facts =
      memories.get(ref)?.facts ?? (memories.fault(ref) === undefined ? undefined : registeredPeer(world, config, ref));
    if (facts === undefined) return [];
    return facts.roots.map(
      (pem) =>
        [
          authorityOf(pem),
          { name: peerKey(ref), trustDomain: facts.trustDomain, clusterUUID: facts.clusterUUID },
        ] as const,
    );
  });
  return new Map([...theirs, ...ours]);
}

function refsOf(kind: PeerRef['kind'], objects: readonly ApiObject[]): readonly PeerRef[] {
  return objects.flatMap(({ metadata }) => (metadata?.name === undefined ? [] : [{ kind, name: metadata.name }]));
}
