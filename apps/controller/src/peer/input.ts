import type { FieldFault, IstioFederation, PeerMetadata, PeerStatus } from '#crd';
import type { MeshFacts } from '#planner';
import type { PeerMemory } from '#trust';
import type { GatewayProbe } from '../peer-link/gateway-prober.js';
import type { Hearing } from '../peer-link/hearing.js';
import type { PeerPublication } from '../publication/decide.js';

/** Everything one reconcile of an IstioFederation looks at; immutable. */
export interface FederationInput {
  readonly metadata: PeerMetadata;
  readonly previous: PeerStatus | undefined;
  /** The resource, or what is wrong with it. */
  readonly resource: IstioFederation | readonly FieldFault[];
  readonly hearing: Hearing;
  readonly memory: PeerMemory | undefined;
  /** What the last publication pass made of this peer. */
  readonly publication: PeerPublication | undefined;
  readonly probes: readonly GatewayProbe[];
  readonly mesh: MeshFacts;
  readonly ownClusterUUID: string;
  readonly now: number;
}

export function resourceOf(input: FederationInput): IstioFederation | undefined {
  return isFaults(input.resource) ? undefined : input.resource;
}

export function faultsOf(input: FederationInput): readonly FieldFault[] {
  return isFaults(input.resource) ? input.resource : [];
}

function isFaults(value: FederationInput['resource']): value is readonly FieldFault[] {
  return Array.isArray(value);
}
