import { createHash } from 'node:crypto';
import type { IstioMulticluster } from '#crd';
import type { KubernetesObject, Secret } from '#istio-api';
import {
  annotations,
  fitsWayOutSecret,
  labels,
  meshReader,
  names,
  peerKey,
  readerSecretName,
  wayOutSecretData,
} from '#model';
import type { Finding, WayOutPeer, WayOutRegistry } from '#model';
import { peerAccountFor, producedLabels, remoteSecretFor } from '#planner';
import type { MeshFacts } from '#planner';
import { clusterIDOf, multiclusterContentOf } from '../multicluster/documents.js';
import type { HeardOffer } from './admitted-offer.js';
import { fitting } from './fitting.js';
import type { NetworkWish } from './mesh-config.js';
import { refOf } from './standing.js';
import type { Standing } from './standing.js';

/** What the multicluster scheme needs beyond the peers themselves; absent where it is off. */
export interface RemoteClusterFacts {
  readonly wayOutUrl: string;
  /** PEM of the way out's own authority; empty until it is there. */
  readonly wayOutCa: string;
  /** By reader, then by name of the peer: a credential for every known peer. */
  readonly credentials: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly apiHost: string;
  /** Addresses behind the Service of our own API server. */
  readonly ownAddresses: readonly string[];
  readonly ownNetwork: string;
}

/** Objects by which local readers reach peers' API servers, and peers reach ours. */
export interface RemoteClusters {
  readonly wayOut: Secret;
  /** By key of the peer: why the way out does not know it. */
  readonly leftOut: ReadonlyMap<string, Finding>;
  readonly readers: readonly Secret[];
  /** Service accounts and bindings as which peers' requests are made. */
  readonly accounts: readonly KubernetesObject[];
  readonly remoteSecrets: readonly Secret[];
  readonly networks: readonly NetworkWish[];
}

type Peer = Standing<IstioMulticluster>;

/** Everything that follows from the multicluster peers that are trusted now. Pure. */
export function remoteClustersFor(
  input: {
    readonly mesh: MeshFacts;
    readonly peersNamespace: string;
    readonly facts: RemoteClusterFacts;
    readonly offers: ReadonlyMap<string, HeardOffer>;
  },
  trusted: readonly Peer[],
): RemoteClusters {
  const { mesh, facts, offers } = input;
  const told = trusted.filter(({ peer }) => multiclusterContentOf(peer.memory) !== undefined);
  const entries = told.flatMap((standing) =>
    wayOutPeer(standing, facts, offers).map((peer) => ({
      key: peerKey(refOf(standing.peer.resource)),
      bytes: peer.ca?.length ?? 0,
      peer,
    })),
  );
  const { kept, left } = fitting(entries, (some) => fitsWayOutSecret(wayOutRegistry(some, facts)));
  return {
    wayOut: secretOf(mesh.releaseNamespace, names.wayOutSecret, {}, wayOutSecretData(wayOutRegistry(kept, facts))),
    leftOut: new Map(left.map(({ key, bytes }) => [key, tooLarge(bytes)])),
    readers: [...facts.credentials].map(([reader, tokens]) =>
      readerSecret(mesh.releaseNamespace, reader, tokens, trusted),
    ),
    accounts: trusted.flatMap(({ peer: { resource } }) =>
      peerAccountFor(resource.metadata.name, input.peersNamespace, {
        reads: resource.metadata.annotations?.[annotations.defaultReader] !== 'false',
        reviews: resource.spec.allowReviews,
      }),
    ),
    remoteSecrets: facts.wayOutCa === '' ? [] : told.flatMap((standing) => remoteSecret(standing, mesh, facts)),
    networks: told.flatMap((standing) => networkOf(standing, facts, offers)),
  };
}

function wayOutPeer(
  { peer: { resource, memory } }: Peer,
  { credentials }: RemoteClusterFacts,
  offers: ReadonlyMap<string, HeardOffer>,
): readonly WayOutPeer[] {
  const content = multiclusterContentOf(memory);
  const refused = offers.get(peerKey(refOf(resource)))?.findings.some(({ subject }) => subject === 'apiHost') === true;
  if (memory === undefined || content === undefined || refused) return [];
  const { name } = resource.metadata;
  const signedCa = memory.facts.tlsCA ?? '';
  const ca = signedCa === '' ? resource.spec.metadata?.ca : signedCa;
  return [
    {
      name,
      apiHost: content.apiHost,
      audience: memory.facts.clusterUUID,
      ...(ca === undefined ? {} : { ca }),
      insecureSkipVerify: signedCa === '' && resource.spec.metadata?.insecureSkipVerify === true,
      readers: [...credentials].flatMap(([reader, tokens]) => {
        const token = tokens[name];
        return token === undefined ? [] : [{ reader, sha256: createHash('sha256').update(token).digest('hex') }];
      }),
    },
  ];
}

function wayOutRegistry(
  entries: readonly { readonly peer: WayOutPeer }[],
  { ownAddresses }: RemoteClusterFacts,
): WayOutRegistry {
  return { version: 1, peers: entries.map(({ peer }) => peer), ownAddresses };
}

function tooLarge(bytes: number): Finding {
  return {
    reason: 'TrustTooLarge',
    subject: 'apiHost',
    message: `its tlsCA takes ${Math.ceil(bytes / 1024)} KiB, more than is left in Secret isthmus-way-out, which holds those of all peers: its API server is not asked. Have it show fewer certificates, or delete peers that are not needed`,
  };
}

/** Credentials stay as they are while the peer is there, whatever else changes; the others of the Secret go. */
function readerSecret(
  namespace: string,
  reader: string,
  tokens: Readonly<Record<string, string>>,
  trusted: readonly Peer[],
): Secret {
  const kept = trusted
    .map(({ peer }) => peer.resource.metadata.name)
    .sort()
    .flatMap((name) => (tokens[name] === undefined ? [] : [[name, tokens[name]] as const]));
  const data = kept.map(([key, text]) => [key, Buffer.from(text, 'utf8').toString('base64')] as const);
  return secretOf(namespace, readerSecretName(reader), { [labels.reader]: reader }, Object.fromEntries(data));
}

function secretOf(
  namespace: string,
  name: string,
  more: Readonly<Record<string, string>>,
  data: Readonly<Record<string, string>>,
): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name, labels: { ...producedLabels, ...more } },
    data,
  };
}

function remoteSecret(
  { peer: { resource, memory } }: Peer,
  mesh: MeshFacts,
  facts: RemoteClusterFacts,
): readonly Secret[] {
  const { name } = resource.metadata;
  const credential = facts.credentials.get(meshReader)?.[name];
  if (memory === undefined || credential === undefined) return [];
  const { stalePolicy } = resource.spec;
  return [
    remoteSecretFor({
      name,
      namespace: mesh.rootNamespace,
      clusterID: clusterIDOf(name, memory),
      server: `${facts.wayOutUrl}/peers/${name}`,
      ca: facts.wayOutCa,
      credential,
      trustDomain: memory.facts.trustDomain,
      ...(stalePolicy === undefined ? {} : { stalePolicy: JSON.stringify(stalePolicy) }),
    }),
  ];
}

/** Pods of a peer on our own network are reached directly; so are those of one on another network that is said to need no gateways. */
function networkOf(
  { peer: { resource, memory } }: Peer,
  { ownNetwork }: RemoteClusterFacts,
  offers: ReadonlyMap<string, HeardOffer>,
): readonly NetworkWish[] {
  const content = multiclusterContentOf(memory);
  if (memory === undefined || content === undefined || content.networkName === ownNetwork) return [];
  const place = { network: content.networkName, clusterID: clusterIDOf(resource.metadata.name, memory) };
  if (!resource.spec.enableIngressGateway) return [place];
  const { gateways: allowed = [], findings = [] } = offers.get(peerKey(refOf(resource))) ?? {};
  const refused = findings.filter(({ subject }) => subject !== 'apiHost');
  const pending = allowed.length === 0 && content.ingressGateways.length > refused.length;
  return [{ ...place, gateways: allowed.map(({ address, port }) => ({ address, port })), pending }];
}
