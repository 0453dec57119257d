import { parseIstioFederation } from '#crd';
import type { PeerMetadata, PeerStatus } from '#crd';
import type { Clock, PeerRef } from '#model';
import { peerKey } from '#model';
import type { ControllerConfig } from '../config.js';
import type { IdentityKeeper } from '../identity/identity-keeper.js';
import type { Memories } from '../memories.js';
import type { GatewayProber } from '../peer-link/gateway-prober.js';
import type { PeerLinks } from '../peer-link/links.js';
import type { PeerPublication } from '../publication/decide.js';
import type { World } from '../world.js';
import type { FederationInput } from './input.js';

export interface FederationSources {
  readonly world: World;
  readonly config: ControllerConfig;
  readonly identity: IdentityKeeper;
  readonly memories: Memories;
  readonly links: PeerLinks;
  readonly prober: GatewayProber;
  readonly publications: { get(key: string): PeerPublication | undefined };
  readonly clock: Clock;
}

/** Reads everything one reconcile looks at; undefined when the resource is gone. Throws while this cluster has no identity yet. */
export function gatherFederation(sources: FederationSources, name: string): FederationInput | undefined {
  const { world, config, identity, memories, links, prober, publications, clock } = sources;
  const object = world.federations.get(undefined, name);
  if (object === undefined) return undefined;
  const state = identity.state;
  if (state === undefined) throw new Error('this cluster’s identity and signing key are not there yet');
  const ref: PeerRef = { kind: 'IstioFederation', name };
  const parsed = parseIstioFederation(object);
  return {
    metadata: object.metadata as PeerMetadata,
    previous: (object as { readonly status?: PeerStatus }).status,
    resource: parsed.ok ? parsed.value : parsed.faults,
    hearing: links.hearing(peerKey(ref)),
    memory: memories.get(ref),
    publication: publications.get(peerKey(ref)),
    probes: prober.results(peerKey(ref)),
    mesh: config.mesh,
    ownClusterUUID: state.identity.clusterUUID,
    now: clock.now(),
  };
}
