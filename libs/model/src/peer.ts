/** The two schemes by which another cluster is joined (product resources of group `isthmus.dev`). */
export type PeerKind = 'IstioFederation' | 'IstioMulticluster';

/** Names one peer resource of this cluster; both kinds are cluster-scoped. */
export interface PeerRef {
  readonly kind: PeerKind;
  readonly name: string;
}

/** What a token of a peer may be used for; follows from the kind of the resource that names the peer. */
export type Scope = 'private-federation' | 'private-multicluster' | 'api';

const scopesByKind: Readonly<Record<PeerKind, readonly Scope[]>> = {
  IstioFederation: ['private-federation'],
  IstioMulticluster: ['private-multicluster', 'api'],
};

/** Scopes that a resource of this kind grants its peer (trust rule 1: scope follows the kind). */
export function scopesOf(kind: PeerKind): readonly Scope[] {
  return scopesByKind[kind];
}

/** Lower-case short word for a kind, used in object names and metrics labels. */
export function kindWord(kind: PeerKind): 'federation' | 'multicluster' {
  return kind === 'IstioFederation' ? 'federation' : 'multicluster';
}

/** Stable text key of a peer, for maps, queues and logs. */
export function peerKey(peer: PeerRef): string {
  return `${kindWord(peer.kind)}/${peer.name}`;
}
