import type { FieldFault, IstioFederation, IstioMulticluster, PeerMetadata, PeerStatus } from '#crd';
import type { PeerRef } from '#model';
import type { MeshFacts } from '#planner';
import type { PeerMemory, ProvenSignatures } from '#trust';
import type { GatewayProbe } from '../peer-link/gateway-prober.js';
import type { Hearing } from '../peer-link/hearing.js';
import type { PeerPublication } from '../publication/peer-publication.js';
import type { Unwritten } from '../publication/unwritten-imports.js';

/** A resource that names a peer. */
export type PeerResource = IstioFederation | IstioMulticluster;

/** Whose root it is, in words, and for which trust domain. */
export interface RootOwner {
  readonly name: string;
  readonly trustDomain: string;
  readonly clusterUUID: string;
}

/** Everything one reconcile of a peer resource looks at; immutable. */
export interface PeerInput<Resource extends PeerResource = PeerResource> {
  readonly ref: PeerRef;
  readonly metadata: PeerMetadata;
  readonly previous: PeerStatus | undefined;
  /** The resource, or what is wrong with it. */
  readonly resource: Resource | readonly FieldFault[];
  readonly hearing: Hearing;
  /** Who made the signatures of what was heard. */
  readonly proven: ProvenSignatures;
  readonly memory: PeerMemory | undefined;
  /** Why what is stored of the peer cannot be read; then there is no `memory`, and nothing heard may be taken for a first contact. */
  readonly memoryFault?: string | undefined;
  /** What the last publication pass made of this peer. */
  readonly publication: PeerPublication | undefined;
  /** Imports of it that the API server did not take. */
  readonly unwritten?: Unwritten | undefined;
  /** Services of it that do not stand yet as the last pass wants them; absent = none. */
  readonly pending?: number;
  readonly probes: readonly GatewayProbe[];
  /** Who showed which CA key first, by its fingerprint: other peers and this cluster. */
  readonly claimedRoots: ReadonlyMap<string, RootOwner>;
  /** False where the chart has this kind's scheme switched off. */
  readonly schemeEnabled: boolean;
  readonly mesh: MeshFacts;
  readonly ownClusterUUID: string;
  /** A stock istiod stands in for our mesh core: roots are not kept apart. */
  readonly trustUnscoped: boolean;
  readonly now: number;
}

export function resourceOf<Resource extends PeerResource>(input: PeerInput<Resource>): Resource | undefined {
  return isFaults(input.resource) ? undefined : input.resource;
}

export function faultsOf(input: PeerInput): readonly FieldFault[] {
  return isFaults(input.resource) ? input.resource : [];
}

function isFaults(value: PeerResource | readonly FieldFault[]): value is readonly FieldFault[] {
  return Array.isArray(value);
}
