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
  trustCompressedKey: 'trust.json.gz',
  wayOutSecret: 'isthmus-way-out',
  wayOutKey: 'peers.json',
  wayOutCompressedKey: 'peers.json.gz',
  /** Where the mesh core says how far it has read remote clusters; in the root namespace. */
  remoteClustersConfigMap: 'isthmus-remote-clusters',
  /** Istio's mesh configuration: keys `mesh` and `meshNetworks`. */
  meshConfigMap: 'istio',
  /** Our key beside them: JSON, how the pods of each multicluster peer on another network are reached; stock istiod has no use for it. */
  clusterGatewaysKey: 'clusterGateways',
  caSecret: 'isthmus-ca',
  pluggedInCaSecret: 'cacerts',
  rootCertConfigMap: 'istio-ca-root-cert',
  rootCertKey: 'root-cert.pem',
  /** In the release namespace: what the mesh core tells of its CA besides the roots. */
  caReportConfigMap: 'isthmus-ca',
  crossCertKey: 'cross-cert.pem',
  /** Istio's own ConfigMap and key for a plugged-in CA's revocation lists. */
  caRotationKey: 'rotation.json',
  caCrlConfigMap: 'istio-ca-crl',
  caCrlKey: 'ca-crl.pem',
  /** In the release namespace: what peers are told of our gateways, and how a change of them stands. */
  gatewaysConfigMap: 'isthmus-gateways',
  gatewaysToldKey: 'told.json',
  gatewaysReportKey: 'rotation.json',
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
  /** On ConfigMaps with what was last read of a remote cluster: `index` or `part`. */
  keptRegistry: 'isthmus.dev/kept-registry',
  tlsMode: 'security.istio.io/tlsMode',
  publicService: 'federation.istio.deckhouse.io/public-service',
} as const;

export const annotations = {
  peerUUID: 'isthmus.dev/peer-uuid',
  sequence: 'isthmus.dev/seq',
  shards: 'isthmus.dev/shards',
  /** On each shard: SHA-256 (hex) of the whole text, so that shards of two generations are never taken for one. */
  digest: 'isthmus.dev/digest',
  /** On an index of what was last read of a remote cluster: JSON, whose it is and which parts belong to it. */
  keptRegistry: 'isthmus.dev/kept-registry',
  acceptRemoval: 'isthmus.dev/accept-removal',
  /** On ServiceEntries of legacy peers: URI SAN prefix that an endpoint must present (trust rule 8). */
  sanPrefix: 'isthmus.dev/subject-alt-name-prefix',
  peers: 'isthmus.dev/peers',
  /**
   * On imported ServiceEntries: the address that stands in `status.addresses` as soon as a second write has brought it there. With it on the
   * entry itself proxies learn name and address at once, and it survives a restore from a backup that leaves status out.
   */
  virtualAddress: 'isthmus.dev/virtual-address',
  /** Istio's: cluster ID of a remote Secret. */
  remoteCluster: 'networking.istio.io/cluster',
  trustDomain: 'isthmus.dev/trust-domain',
  stalePolicy: 'isthmus.dev/stale-policy',
  /** On ConfigMap `istio`: networks that are ours to change. */
  networks: 'isthmus.dev/networks',
  /** On ConfigMap `istio`: fingerprints of the roots in `caCertificates` that are ours to change. */
  caCertificates: 'isthmus.dev/ca-certificates',
  /** On an IstioMulticluster: `false` = its account gets no rights but those that an operator binds. */
  defaultReader: 'isthmus.dev/default-reader',
  /** On a DestinationRule that uses `distribute`: JSON list of `{from, to}`, regions that take over; see docs/spec/locality.md. */
  failover: 'isthmus.dev/failover',
  /** On ConfigMap `isthmus-cluster`: each new value asks for one change of the signing key, of the generated root, of the door's certificate. */
  rotateSigningKey: 'isthmus.dev/rotate-signing-key',
  rotateRoot: 'isthmus.dev/rotate-root',
  rotateDoorCertificate: 'isthmus.dev/rotate-door-certificate',
  /** On the same: `host:port[,host:port]`, told to peers in place of the chart's or discovered addresses while it is there. */
  gatewayAddresses: 'isthmus.dev/gateway-addresses',
  /** On the same: JSON, how the changes stand that the controller carries out. */
  rotationReport: 'isthmus.dev/rotation-report',
} as const;

/** Secret that holds the private document made for one peer; shards after the first have names that no peer's first one can have. */
export function documentSecretName(peer: PeerRef, shard = 0): string {
  const whose = `${kindWord(peer.kind)}-${peer.name}`;
  return shard === 0 ? `isthmus-document-${whose}` : `isthmus-document-shard-${shard}-${whose}`;
}

/** Secret that holds what was last learnt of one peer; it says which further shards belong to it. */
export function peerMemorySecretName(peer: PeerRef): string {
  return `isthmus-peer-${kindWord(peer.kind)}-${peer.name}`;
}

/** Secret of a further shard of what was learnt; each generation has names of its own, so that the one before stays whole until it is replaced. */
export function peerMemoryShardName(peer: PeerRef, generation: string, shard: number): string {
  return `isthmus-peer-shard-${generation}-${shard}-${kindWord(peer.kind)}-${peer.name}`;
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
