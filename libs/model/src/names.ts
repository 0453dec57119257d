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
  wayOutSecret: 'isthmus-way-out',
  wayOutKey: 'peers.json',
  wayOutTlsSecret: 'isthmus-way-out-tls',
  /** Where the mesh core says how far it has read remote clusters; in the root namespace. */
  remoteClustersConfigMap: 'isthmus-remote-clusters',
  /** Istio's mesh configuration, of which `meshNetworks` is one key. */
  meshConfigMap: 'istio',
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
  reader: 'isthmus.dev/reader',
  multiCluster: 'istio/multiCluster',
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
  /** Istio's: cluster ID of a remote Secret. */
  remoteCluster: 'networking.istio.io/cluster',
  trustDomain: 'isthmus.dev/trust-domain',
  stalePolicy: 'isthmus.dev/stale-policy',
  /** On ConfigMap `istio`: networks that are ours to change. */
  networks: 'isthmus.dev/networks',
  /** On an IstioMulticluster: `false` = its account gets no rights but those that an operator binds. */
  defaultReader: 'isthmus.dev/default-reader',
} as const;

/** Secret that holds the private document made for one peer; further shards append `-1`, `-2` … */
export function documentSecretName(peer: PeerRef, shard = 0): string {
  return withShard(`isthmus-document-${kindWord(peer.kind)}-${peer.name}`, shard);
}

/** Secret that holds what was last learnt of one peer. */
export function peerMemorySecretName(peer: PeerRef, shard = 0): string {
  return withShard(`isthmus-peer-${kindWord(peer.kind)}-${peer.name}`, shard);
}

/** Secret that makes a peer's API server a remote registry, as `istioctl create-remote-secret` names it. */
export function remoteSecretName(name: string): string {
  return `istio-remote-secret-${name}`;
}

/** Secret with the credentials of one local reader of peers' API servers, one key a peer. */
export function readerSecretName(reader: string): string {
  return `isthmus-reader-${reader}`;
}

/** Service account, in the peers' namespace, as which a multicluster peer's API requests are made. */
export function peerAccountName(name: string): string {
  return `peer-${name}`;
}

function withShard(name: string, shard: number): string {
  return shard === 0 ? name : `${name}-${shard}`;
}
