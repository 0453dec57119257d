import { fitsTrustSecret, peerKey } from '#model';
import type { TrustedPeer, TrustRegistry } from '#model';
import { fitting } from './fitting.js';
import { trustedPeer } from './standing.js';
import type { Standing } from './standing.js';

/** More than the roots, lists and keys of a peer take whose documents are taken today; what was remembered earlier may be larger. */
const mostPeerBytes = 512 * 1024;

interface Entry {
  readonly key: string;
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
  const sound = entries.filter(({ bytes }) => bytes <= mostPeerBytes);
  const { kept } = fitting(sound, (some) => fitsTrustSecret(registryOf(some)));
  const left = new Map(
    entries.filter((entry) => !kept.includes(entry)).map(({ standing, bytes }) => [standing, bytes] as const),
  );
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
  return [{ key: peerKey(peer), standing, peer, bytes }];
}

function registryOf(entries: readonly Entry[]): TrustRegistry {
  return { version: 1, peers: entries.map(({ peer }) => peer) };
}

function leftOut(standing: Standing, bytes: number | undefined): Standing {
  if (bytes === undefined) return standing;
  const message = `its roots, keys and revocation lists take ${Math.ceil(bytes / 1024)} KiB, more than is left in Secret isthmus-trust, which holds those of all peers: it is not trusted. Have it remove roots that are no longer used and expired entries of its lists, or delete peers that are not needed`;
  return { ...standing, trusted: false, findings: [...standing.findings, { reason: 'TrustTooLarge', message }] };
}
