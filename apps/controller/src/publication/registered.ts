import { fitsTrustSecret, peerKey } from '#model';
import type { TrustedPeer, TrustRegistry } from '#model';
import { trustedPeer } from './standing.js';
import type { Standing } from './standing.js';

/** More than the roots, lists and keys of a peer take whose documents are taken today; what was remembered earlier may be larger. */
const mostPeerBytes = 512 * 1024;

interface Entry {
  readonly standing: Standing;
  readonly peer: TrustedPeer;
  readonly bytes: number;
}

/**
 * The trust registry, and the standings with what it costs to be one of many in it: all trust is one Secret, and a write that fails would keep
 * everybody's trust as it is, un-trusting included. So the largest are left out until the others fit; each is told. Pure.
 */
export function registered(
  standings: readonly Standing[],
  now: number,
): { readonly standings: readonly Standing[]; readonly registry: TrustRegistry } {
  const entries = standings.flatMap((standing) => (standing.trusted ? entryOf(standing, now) : []));
  const left = new Map<Standing, number>();
  let kept = entries.filter((entry) => fits(entry, left));
  while (kept.length > 0 && !fitsTrustSecret(registryOf(kept))) {
    const largest = kept.reduce((a, b) => (isLarger(b, a) ? b : a));
    left.set(largest.standing, largest.bytes);
    kept = kept.filter((entry) => entry !== largest);
  }
  return {
    registry: registryOf(kept),
    standings: left.size === 0 ? standings : standings.map((standing) => leftOut(standing, left.get(standing))),
  };
}

function entryOf(standing: Standing, now: number): readonly Entry[] {
  const peer = trustedPeer(standing, now);
  if (peer === undefined) return [];
  const bytes = [...peer.roots, ...peer.crls, ...peer.keys.map(({ pem }) => pem)].reduce(
    (sum, pem) => sum + pem.length,
    0,
  );
  return [{ standing, peer, bytes }];
}

function fits({ standing, bytes }: Entry, left: Map<Standing, number>): boolean {
  if (bytes <= mostPeerBytes) return true;
  left.set(standing, bytes);
  return false;
}

function registryOf(entries: readonly Entry[]): TrustRegistry {
  return { version: 1, peers: entries.map(({ peer }) => peer) };
}

function isLarger(a: Entry, b: Entry): boolean {
  return a.bytes > b.bytes || (a.bytes === b.bytes && peerKey(a.peer) > peerKey(b.peer));
}

function leftOut(standing: Standing, bytes: number | undefined): Standing {
  if (bytes === undefined) return standing;
  const message = `its roots, keys and revocation lists take ${Math.ceil(bytes / 1024)} KiB, more than is left in Secret isthmus-trust, which holds those of all peers: it is not trusted. Have it remove roots that are no longer used and expired entries of its lists, or delete peers that are not needed`;
  return { ...standing, trusted: false, findings: [...standing.findings, { reason: 'TrustTooLarge', message }] };
}
