import { parseIstioFederation } from '#crd';
import { gatherPeer } from '../peer/gather.js';
import type { PeerSources } from '../peer/gather.js';
import type { FederationInput } from './decide.js';

/** Reads everything one reconcile of an IstioFederation looks at; undefined when the resource is gone. */
export function gatherFederation(sources: PeerSources, name: string): Promise<FederationInput | undefined> {
  return gatherPeer(sources, { kind: 'IstioFederation', name }, sources.world.federations, parseIstioFederation);
}
