import type { PeerKind, PeerRef } from '#model';
import { compareText, peerKey } from '#model';
import type { Reason } from '#crd';
import { parseCertificate, spkiFingerprint } from './certificate.js';
import type { PeerFacts } from './peer-facts.js';

/** One peer as ownership sees it: when it was first met decides who came first. */
export interface OwnershipClaim {
  readonly peer: PeerRef;
  readonly facts: PeerFacts;
  /** Unix ms of first contact. */
  readonly since: number;
  readonly sharedTrustDomain: boolean;
}

export interface OwnTrust {
  readonly clusterUUID: string;
  readonly trustDomain: string;
  /** Our roots, PEM each. */
  readonly roots: readonly string[];
}

/** What stands against trusting a peer; `shared` = trust domain shared on purpose (a notice, not a refusal). */
export interface OwnershipFinding {
  readonly peer: PeerRef;
  readonly reason: Extract<Reason, 'UUIDConflict' | 'TrustDomainConflict' | 'SharedRoot' | 'TrustShared'>;
  readonly message: string;
  readonly refuses: boolean;
}

/**
 * Judges all peers at once (trust rules 7 and 8): a UUID belongs to the first that showed it; two federation peers of one trust domain, or of
 * ours, are both refused; one root under two trust domains refuses both; multicluster peers may share on purpose. Pure, order-independent.
 */
export function judgeOwnership(claims: readonly OwnershipClaim[], own: OwnTrust): readonly OwnershipFinding[] {
  const ordered = [...claims].sort((a, b) => a.since - b.since || compareText(peerKey(a.peer), peerKey(b.peer)));
  const conflicts = new Map(ordered.map((claim) => [claim, uuidConflict(claim, ordered, own)]));
  // Who claims a UUID that is not its own is nobody: what else it shows must not count against the owner.
  const owners = ordered.filter((claim) => conflicts.get(claim)?.length === 0);
  const fingerprints = new Map(owners.map((claim) => [claim, claim.facts.roots.map(authorityOf)]));
  const ownRoots = { fingerprints: own.roots.map(authorityOf), trustDomain: own.trustDomain };
  return ordered.flatMap((claim) =>
    owners.includes(claim)
      ? [...trustDomainConflict(claim, owners, own), ...sharedRoot(claim, fingerprints, ownRoots)]
      : (conflicts.get(claim) ?? []),
  );
}

/** Roots that were read lately, by PEM: ownership is judged often and roots seldom change. */
const authorities = new Map<string, string>();

/** A root is its key: a certificate issued anew for the same key can mint the same identities. */
export function authorityOf(pem: string): string {
  const known = authorities.get(pem);
  if (known !== undefined) return known;
  const print = spkiFingerprint(parseCertificate(pem).publicKey);
  if (authorities.size >= 4096) authorities.clear();
  authorities.set(pem, print);
  return print;
}

function uuidConflict(
  claim: OwnershipClaim,
  all: readonly OwnershipClaim[],
  own: OwnTrust,
): readonly OwnershipFinding[] {
  const uuid = claim.facts.clusterUUID;
  if (uuid === own.clusterUUID) return [refusal(claim, 'UUIDConflict', 'the peer shows this cluster’s own UUID')];
  const owner = all.find((other) => other.facts.clusterUUID === uuid);
  if (owner === undefined || owner === claim) return [];
  return [
    refusal(
      claim,
      'UUIDConflict',
      `cluster UUID ${uuid} belongs to ${peerKey(owner.peer)}, which was first; delete the resource that is too many`,
    ),
  ];
}

function trustDomainConflict(
  claim: OwnershipClaim,
  all: readonly OwnershipClaim[],
  own: OwnTrust,
): readonly OwnershipFinding[] {
  const domain = claim.facts.trustDomain;
  const others = all.filter(
    (other) =>
      other !== claim && other.facts.trustDomain === domain && other.facts.clusterUUID !== claim.facts.clusterUUID,
  );
  const collides = domain === own.trustDomain || others.length > 0;
  if (!collides) return [];
  const onPurpose = mayShare(claim) && others.every(mayShare);
  const whom = domain === own.trustDomain ? 'this cluster' : others.map((other) => peerKey(other.peer)).join(', ');
  if (onPurpose)
    return [
      {
        peer: claim.peer,
        reason: 'TrustShared',
        message: `trust domain ${domain} is shared with ${whom}: any of their roots may mint its identities`,
        refuses: false,
      },
    ];
  return [
    refusal(
      claim,
      'TrustDomainConflict',
      `trust domain ${domain} is also that of ${whom}; none of them can be told apart, so none is trusted. Give one of them another trust domain`,
    ),
  ];
}

function mayShare(claim: OwnershipClaim): boolean {
  const multicluster: PeerKind = 'IstioMulticluster';
  return claim.peer.kind === multicluster && claim.sharedTrustDomain;
}

function sharedRoot(
  claim: OwnershipClaim,
  fingerprints: ReadonlyMap<OwnershipClaim, readonly string[]>,
  own: { readonly fingerprints: readonly string[]; readonly trustDomain: string },
): readonly OwnershipFinding[] {
  const roots = fingerprints.get(claim) ?? [];
  const ours = roots.find((root) => own.fingerprints.includes(root));
  if (ours !== undefined && claim.facts.trustDomain !== own.trustDomain) {
    return [
      refusal(
        claim,
        'SharedRoot',
        `the CA key sha256:${ours} is also this cluster’s, under another trust domain: either could mint the other’s identities`,
      ),
    ];
  }
  for (const [other, theirs] of fingerprints) {
    if (other === claim || other.facts.trustDomain === claim.facts.trustDomain) continue;
    const root = roots.find((candidate) => theirs.includes(candidate));
    if (root !== undefined)
      return [
        refusal(
          claim,
          'SharedRoot',
          `the CA key sha256:${root} is also that of ${peerKey(other.peer)}, under another trust domain: either could mint the other’s identities`,
        ),
      ];
  }
  return [];
}

function refusal(claim: OwnershipClaim, reason: OwnershipFinding['reason'], message: string): OwnershipFinding {
  return { peer: claim.peer, reason, message, refuses: true };
}
