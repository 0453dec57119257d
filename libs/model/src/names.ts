import { kindWord } from './peer.js';
import type { PeerRef } from './peer.js';

/** Names of the objects that the apps share through the Kubernetes API, and of the labels they carry. */
export const names = {
  group: 'isthmus.dev',
  version: 'v1alpha1',
  clusterConfigMap: 'isthmus-cluster',
  signingKeysSecret: 'isthmus-signing-keys',
  publicDocumentSecret: 'isthmus-public-document',
  trustSecret: 'isthmus-trust',
  trustKey: 'trust.json',
  caSecret: 'isthmus-ca',
  pluggedInCaSecret: 'cacerts',
  rootCertConfigMap: 'istio-ca-root-cert',
  rootCertKey: 'root-cert.pem',
  fieldManager: 'isthmus',
  lease: 'isthmus-controller',
  finalizer: 'isthmus.dev/peer',
} as const;

export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  managedByValue: 'isthmus',
  peerKind: 'isthmus.dev/peer-kind',
  peerName: 'isthmus.dev/peer-name',
  document: 'isthmus.dev/document',
  peerMemory: 'isthmus.dev/peer-memory',
  tlsMode: 'security.istio.io/tlsMode',
  publicService: 'federation.istio.deckhouse.io/public-service',
} as const;

export const annotations = {
  peerUUID: 'isthmus.dev/peer-uuid',
  sequence: 'isthmus.dev/seq',
  shards: 'isthmus.dev/shards',
  acceptRemoval: 'isthmus.dev/accept-removal',
  /** On ServiceEntries of legacy peers: URI SAN prefix that an endpoint must present (trust rule 8). */
  sanPrefix: 'isthmus.dev/subject-alt-name-prefix',
  peers: 'isthmus.dev/peers',
} as const;

/** Secret that holds the private document made for one peer; further shards append `-1`, `-2` … */
export function documentSecretName(peer: PeerRef, shard = 0): string {
  return withShard(`isthmus-document-${kindWord(peer.kind)}-${peer.name}`, shard);
}

/** Secret that holds what was last learnt of one peer. */
export function peerMemorySecretName(peer: PeerRef, shard = 0): string {
  return withShard(`isthmus-peer-${kindWord(peer.kind)}-${peer.name}`, shard);
}

function withShard(name: string, shard: number): string {
  return shard === 0 ? name : `${name}-${shard}`;
}
