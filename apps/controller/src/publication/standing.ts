import type { IstioFederation, IstioMulticluster } from '#crd';
import type { Finding, PeerRef, TrustedPeer } from '#model';
import { peerKey, scopesOf } from '#model';
import { effectiveStalePolicy } from '#planner';
import type { SilenceVerdict } from '#planner';
import { judgeOwnership, listsInForce, listsLeaveInMs } from '#trust';
import type { OwnershipFinding, OwnTrust, PeerMemory } from '#trust';
import type { PeerResource } from '../peer/input.js';

/** One peer with what is known of it, before it is judged among the others. */
export interface KnownPeer<Resource extends PeerResource = PeerResource> {
  readonly resource: Resource;
  readonly memory?: PeerMemory;
  /** What was stored of it cannot be read: `memory`, if any, is made of what is in force (held.ts). */
  readonly unreadable?: boolean;
  /** How long it is silent, as its stalePolicy counts it (peer/silence.ts); milliseconds, 0 while it is not. */
  readonly silentMs: number;
  /** What counts for its services alone, where that is longer. */
  readonly contentSilentMs?: number;
  /** Milliseconds until one of its documents ends. */
  readonly endsInMs?: number;
  /** Hosts of its last good document; a multicluster peer names none. */
  readonly hosts: readonly string[];
}

/** How a peer stands: may it be trusted now, and what stands against it. */
export interface Standing<Resource extends PeerResource = PeerResource> {
  readonly peer: KnownPeer<Resource>;
  readonly trusted: boolean;
  /** Its stalePolicy has withdrawn trust in its silence. */
  readonly trustWithdrawn: boolean;
  /** Its memory cannot be read: what stands of it stays as it is. */
  readonly held: boolean;
  readonly findings: readonly Finding[];
  readonly withdrawnHosts: readonly string[];
  /** Milliseconds until time alone changes something: its silence lasts, its revocation lists end. */
  readonly changesInMs?: number;
}

/** Judges all peers at once: ownership (trust rules 7, 8), deletion, and what their silence costs. Pure. */
export function standingsOf(peers: readonly KnownPeer[], own: OwnTrust, now: number): readonly Standing[] {
  const claims = peers.flatMap((peer) =>
    peer.memory === undefined
      ? []
      : [
          {
            peer: refOf(peer.resource),
            facts: peer.memory.facts,
            since: peer.memory.firstContactAt,
            sharedTrustDomain: peer.resource.kind === 'IstioMulticluster' && peer.resource.spec.sharedTrustDomain,
          },
        ],
  );
  const ownership = Map.groupBy(judgeOwnership(claims, own), (finding) => peerKey(finding.peer));
  return peers.map((peer) => standingOf(peer, ownership.get(peerKey(refOf(peer.resource))) ?? [], now));
}

function standingOf(peer: KnownPeer, ownership: readonly OwnershipFinding[], now: number): Standing {
  const silence = silenceCost(peer);
  const ending = peer.memory === undefined ? undefined : listsLeaveInMs(peer.memory.facts, now);
  const changes = [silence.changesInMs, ending].filter((ms) => ms !== undefined);
  const refused = ownership.some(({ refuses }) => refuses);
  const { revoked } = peer.resource.spec;
  const leaving = revoked || peer.resource.metadata.deletionTimestamp !== undefined;
  return {
    peer,
    trusted: peer.memory !== undefined && !refused && !leaving && !silence.trustWithdrawn,
    trustWithdrawn: peer.memory !== undefined && silence.trustWithdrawn,
    held: peer.unreadable === true && !refused && !leaving && !silence.trustWithdrawn,
    findings: [
      ...(revoked ? [{ reason: 'Revoked' as const, message: 'spec.revoked is true: trust is withdrawn' }] : []),
      ...ownership.map(({ reason, message }) => ({ reason, message })),
    ],
    withdrawnHosts: silence.withdrawnHosts,
    ...(changes.length === 0 ? {} : { changesInMs: Math.min(...changes) }),
  };
}

/** An end of the private document costs services alone: without trust no newer one could be asked for. */
function silenceCost({ resource, hosts, silentMs, contentSilentMs = 0, endsInMs }: KnownPeer): SilenceVerdict {
  const policy = resource.spec.stalePolicy;
  const whole = effectiveStalePolicy({ policy, silentMs, hosts });
  const content = effectiveStalePolicy({ policy, silentMs: Math.max(silentMs, contentSilentMs), hosts });
  const ahead = [whole.changesInMs, content.changesInMs, endsInMs].filter((ms) => ms !== undefined);
  return {
    withdrawnHosts: content.withdrawnHosts,
    trustWithdrawn: whole.trustWithdrawn,
    ...(ahead.length === 0 ? {} : { changesInMs: Math.min(...ahead) }),
  };
}

/**
 * A trusted peer as the door and the mesh core read it. Revocation lists that have run out are left out: inside a bundle they would
 * make every chain of the peer fail; a peer that must fail closed then says so in its stalePolicy (trust rule 12).
 */
export function trustedPeer({ peer }: Standing, now: number): TrustedPeer | undefined {
  if (peer.memory === undefined) return undefined;
  const { facts } = peer.memory;
  const ref = refOf(peer.resource);
  return {
    ...ref,
    clusterUUID: facts.clusterUUID,
    trustDomain: facts.trustDomain,
    clusterDomain: facts.clusterDomain,
    roots: facts.roots,
    keys: facts.keys,
    signed: facts.signed,
    crls: listsInForce(facts, now),
    scopes: scopesOf(ref.kind),
    ...apiGrants(peer.resource),
  };
}

function apiGrants(resource: PeerResource): Pick<TrustedPeer, 'legacyAPITokens' | 'allowReviews'> {
  if (resource.kind === 'IstioFederation') return { legacyAPITokens: false };
  const { legacyAPITokens, allowReviews } = resource.spec;
  return { legacyAPITokens, ...(allowReviews ? { allowReviews } : {}) };
}

export function isFederation(standing: Standing): standing is Standing<IstioFederation> {
  return standing.peer.resource.kind === 'IstioFederation';
}

export function isMulticluster(standing: Standing): standing is Standing<IstioMulticluster> {
  return standing.peer.resource.kind === 'IstioMulticluster';
}

export function refOf(resource: PeerResource): PeerRef {
  return { kind: resource.kind, name: resource.metadata.name };
}
