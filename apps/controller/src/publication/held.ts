import type { PeerStatus } from '#crd';
import type { KubernetesObject, ServiceEntry } from '#istio-api';
import { annotations, labels, names, peerKey, trustRegistryIn, wayOutRegistryIn } from '#model';
import type { PeerRef, TrustedPeer, TrustRegistry, WayOutPeer } from '#model';
import { parseCrls } from '#trust';
import type { PeerFacts, PeerMemory } from '#trust';
import type { ControllerConfig } from '../config.js';
import type { RememberedContent } from '../multicluster/documents.js';
import type { PeerResource } from '../peer/input.js';
import type { World } from '../world.js';
import { asWritten } from './as-written.js';
import { refOf } from './standing.js';
import type { KnownPeer, Standing } from './standing.js';

// A peer whose memory cannot be read is held: it keeps the trust and the objects that stand, and gets nothing new, until an operator restores
// the memory or has the peer met anew. What stands is read from where it is in force: the trust registry, the imports, the way out, the status.

type HeldSources = {
  readonly world: Pick<World, 'secrets' | 'serviceEntries' | 'multiclusters'>;
  readonly config: { readonly mesh: Pick<ControllerConfig['mesh'], 'releaseNamespace'> };
};

/** A peer of which only what is in force is known. */
export function heldPeer(sources: HeldSources, resource: PeerResource, silentMs: number): KnownPeer {
  const ref = refOf(resource);
  const entry = registeredPeer(sources.world, sources.config, ref);
  const hosts = sources.world.serviceEntries
    .list()
    .flatMap((live) => (isOf(live, ref) ? (live.spec?.hosts ?? []) : []));
  return {
    resource,
    silentMs,
    hosts: [...hosts].sort(),
    unreadable: true,
    ...(entry === undefined ? {} : { memory: memoryInForce(sources, ref, entry) }),
  };
}

/** The trust registry as it stands in the cluster; undefined where there is none that can be read. */
export function registryInForce(
  { secrets }: Pick<World, 'secrets'>,
  { mesh }: HeldSources['config'],
): TrustRegistry | undefined {
  try {
    return trustRegistryIn(secrets.get(mesh.releaseNamespace, names.trustSecret)?.data);
  } catch {
    return undefined;
  }
}

/** What the trust registry in the cluster says of a peer. */
export function registeredPeer(
  world: Pick<World, 'secrets'>,
  config: HeldSources['config'],
  { kind, name }: PeerRef,
): TrustedPeer | undefined {
  return registryInForce(world, config)?.peers.find((peer) => peer.kind === kind && peer.name === name);
}

/** Live imports of held peers in place of whatever is planned under their names; hosts that a stale policy withdraws lose the peer's endpoints. */
export function withHeldImports(
  planned: readonly KubernetesObject[],
  live: readonly KubernetesObject[],
  standings: readonly Standing[],
): readonly KubernetesObject[] {
  const held = standings.filter((standing) => standing.held);
  const kept = live.flatMap((object) => {
    const whose = held.filter(({ peer }) => isOf(object, refOf(peer.resource)));
    return whose.length === 0 ? [] : [whose.reduce(withoutWithdrawn, asWritten(object))];
  });
  if (kept.length === 0) return planned;
  const taken = new Set(kept.map(identity));
  return [...planned.filter((object) => !taken.has(identity(object))), ...kept];
}

function withoutWithdrawn(object: KubernetesObject, { peer, withdrawnHosts }: Standing): KubernetesObject {
  if (object.kind !== 'ServiceEntry') return object;
  const entry = object as ServiceEntry;
  if (entry.spec === undefined || !entry.spec.hosts.some((host) => withdrawnHosts.includes(host))) return object;
  const endpoints = (entry.spec.endpoints ?? []).filter(
    (endpoint) => endpoint.labels?.[labels.peerName] !== peer.resource.metadata.name,
  );
  const without: ServiceEntry = { ...entry, spec: { ...entry.spec, endpoints } };
  return without;
}

function isOf({ metadata }: KubernetesObject, ref: PeerRef): boolean {
  return (metadata?.annotations?.[annotations.peers] ?? '').split(',').includes(peerKey(ref));
}

function identity({ kind, metadata }: KubernetesObject): string {
  return `${kind}/${metadata?.name}`;
}

/** A memory made of what is in force; its times say nothing, since nothing is known of them. */
function memoryInForce(sources: HeldSources, ref: PeerRef, entry: TrustedPeer): PeerMemory {
  const unknown = { seq: 0, fetchedAt: 0, changedAt: 0, digest: '' };
  const wayOut = ref.kind === 'IstioMulticluster' ? wayOutOf(sources, ref.name) : undefined;
  const status = ref.kind === 'IstioMulticluster' ? statusOf(sources, ref.name) : undefined;
  const clusterID = status?.peer?.clusterID;
  const content = contentInForce(wayOut, status);
  return {
    version: 1,
    facts: {
      ...factsInForce(entry),
      ...(wayOut?.ca === undefined ? {} : { tlsCA: wayOut.ca }),
      ...(clusterID === undefined ? {} : { clusterID }),
    },
    firstContact: 'Blind',
    // It was trusted before anybody who claims the same now.
    firstContactAt: 0,
    publicDocument: unknown,
    ...(content === undefined ? {} : { privateDocument: { ...unknown, body: JSON.stringify(content) } }),
  };
}

function factsInForce(entry: TrustedPeer): PeerFacts {
  const { clusterUUID, trustDomain, clusterDomain, roots, keys, crls, signed } = entry;
  const ends = crls.length === 0 ? [] : parseCrls(crls).map(({ nextUpdate }) => nextUpdate ?? 0);
  return {
    ...{ clusterUUID, trustDomain, clusterDomain, roots, keys, crls, signed, seq: 0 },
    ...(ends.length === 0 ? {} : { crlsUntil: Math.min(...ends) }),
  };
}

function contentInForce(wayOut: WayOutPeer | undefined, status: PeerStatus | undefined): RememberedContent | undefined {
  const apiHost = wayOut?.apiHost ?? status?.peer?.apiHost;
  const networkName = status?.peer?.networkName;
  if (apiHost === undefined || networkName === undefined) return undefined;
  const gateways = (status?.gateways?.addresses ?? []).map(({ address, port }) => ({ address, port }));
  return { apiHost, networkName, ingressGateways: gateways };
}

function wayOutOf({ world, config }: HeldSources, name: string): WayOutPeer | undefined {
  const data = world.secrets.get(config.mesh.releaseNamespace, names.wayOutSecret)?.data;
  try {
    return wayOutRegistryIn(data)?.peers.find((peer) => peer.name === name);
  } catch {
    return undefined;
  }
}

function statusOf({ world }: HeldSources, name: string): PeerStatus | undefined {
  return (world.multiclusters?.get(undefined, name) as { readonly status?: PeerStatus } | undefined)?.status;
}
