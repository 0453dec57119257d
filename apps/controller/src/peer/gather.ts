import type { Parsed, PeerMetadata, PeerStatus } from '#crd';
import type { ApiObject, Informer } from '#kube';
import type { Clock, PeerRef } from '#model';
import { peerKey } from '#model';
import type { ControllerConfig } from '../config.js';
import type { IdentityKeeper } from '../identity/identity-keeper.js';
import type { Memories } from '../memories.js';
import type { GatewayProber } from '../peer-link/gateway-prober.js';
import type { PeerLinks } from '../peer-link/links.js';
import type { PeerPublication } from '../publication/decide.js';
import type { World } from '../world.js';
import type { PeerInput, PeerResource } from './input.js';

export interface PeerSources {
  readonly world: World;
  readonly config: ControllerConfig;
  readonly identity: IdentityKeeper;
  readonly memories: Memories;
  readonly links: PeerLinks;
  readonly prober: GatewayProber;
  readonly publications: { get(key: string): PeerPublication | undefined };
  readonly clock: Clock;
}

/** Reads what a reconcile of either kind looks at; undefined when the resource is gone. Throws while this cluster has no identity yet. */
export function gatherPeer<Resource extends PeerResource>(
  { config, identity, memories, links, prober, publications, clock }: PeerSources,
  ref: PeerRef,
  informer: Informer<ApiObject>,
  parse: (object: unknown) => Parsed<Resource>,
): PeerInput<Resource> | undefined {
  const object = informer.get(undefined, ref.name);
  if (object === undefined) return undefined;
  const state = identity.state;
  if (state === undefined) throw new Error('this cluster’s identity and signing key are not there yet');
  const parsed = parse(object);
  const key = peerKey(ref);
  return {
    ref,
    metadata: object.metadata as PeerMetadata,
    previous: (object as { readonly status?: PeerStatus }).status,
    resource: parsed.ok ? parsed.value : parsed.faults,
    hearing: links.hearing(key),
    memory: memories.get(ref),
    publication: publications.get(key),
    probes: prober.results(key),
    mesh: config.mesh,
    trustUnscoped: !config.meshEnabled,
    ownClusterUUID: state.identity.clusterUUID,
    now: clock.now(),
  };
}
