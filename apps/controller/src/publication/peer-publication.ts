import type { Finding } from '#model';
import { peerKey } from '#model';
import { plainTextFindings } from '#planner';
import type { Exports, mergeServices } from '#planner';
import type { SigningState } from '../identity/identity-keeper.js';
import type { AdmittedOffer, HeardOffer } from './admitted-offer.js';
import type { RemoteClusters } from './remote-clusters.js';
import { refOf } from './standing.js';
import type { Standing } from './standing.js';

/** What one peer's status says after a pass. */
export interface PeerPublication {
  readonly trusted: boolean;
  /** stalePolicy has withdrawn trust; else an untrusted peer has findings, or was not known to the pass yet. */
  readonly trustWithdrawn: boolean;
  /** Whether the pass knew what the peer offers: one before its first private document says nothing of that. */
  readonly heard: boolean;
  readonly imported: number;
  readonly exported: number;
  readonly findings: readonly Finding[];
  readonly exportFindings: readonly Finding[];
  readonly withdrawn: number;
  /** Its memory cannot be read: what stands of it stays as it is. */
  readonly held?: true;
}

/** Where a peer's imports are between a pass and what stands of it. */
export interface ImportsProgress {
  readonly publication?: Pick<PeerPublication, 'imported'> | undefined;
  readonly unwritten?: { readonly services: number } | undefined;
  readonly pending?: number;
}

/** Services of the peer that stand here as the last pass wants them. */
export function standingImports({ publication, unwritten, pending = 0 }: ImportsProgress): number {
  return Math.max(0, (publication?.imported ?? 0) - Math.max(pending, unwritten?.services ?? 0));
}

/** What a pass looked at, as far as statuses tell of it. */
interface PassFacts {
  readonly signing: Pick<SigningState, 'identity'>;
  readonly offers: ReadonlyMap<string, HeardOffer>;
  readonly gateways: { readonly findings: readonly Finding[] };
  readonly plainText: () => readonly string[];
}

interface PassResults {
  readonly standings: readonly Standing[];
  readonly offers: ReadonlyMap<string, AdmittedOffer>;
  readonly exported: ReadonlyMap<string, Exports>;
  readonly merged: ReturnType<typeof mergeServices>;
  readonly remote: RemoteClusters | undefined;
}

/** What the pass means for each peer, by its key. */
export function peerPublications(
  input: PassFacts,
  { standings, offers, exported, merged, remote }: PassResults,
): ReadonlyMap<string, PeerPublication> {
  const findings = Map.groupBy(merged.findings, (finding) => peerKey(finding.peer));
  // Counted once over all services: looking through them for each peer would cost peers times services.
  const imports = Map.groupBy(
    merged.services.flatMap(({ peers }) => peers),
    peerKey,
  );
  return new Map(
    standings.map((standing) => {
      const key = peerKey(refOf(standing.peer.resource));
      const results = {
        heard: input.offers.get(key),
        findings: findings.get(key) ?? [],
        imported: standing.held ? standing.peer.hosts.length : (imports.get(key)?.length ?? 0),
        offer: offers.get(key),
        exports: exported.get(key),
        leftOut: remote?.leftOut.get(key),
      };
      return [key, peerPublication(input, standing, results)];
    }),
  );
}

interface PeerResults {
  readonly heard: HeardOffer | undefined;
  readonly findings: readonly Finding[];
  readonly imported: number;
  readonly offer: AdmittedOffer | undefined;
  readonly exports: Exports | undefined;
  readonly leftOut: Finding | undefined;
}

function peerPublication(input: PassFacts, standing: Standing, results: PeerResults): PeerPublication {
  return {
    trusted: standing.trusted,
    trustWithdrawn: standing.trustWithdrawn,
    heard: standing.held || standing.peer.memory?.privateDocument !== undefined,
    imported: results.imported,
    exported: results.exports?.services.length ?? 0,
    findings: [
      ...standing.findings,
      ...(results.offer?.findings ?? results.heard?.findings ?? []),
      ...results.findings.map(({ reason, message, subject }) => ({
        reason,
        message,
        ...(subject === undefined ? {} : { subject }),
      })),
      ...(results.leftOut === undefined ? [] : [results.leftOut]),
    ],
    exportFindings: [
      ...(results.exports?.findings ?? []),
      ...input.gateways.findings,
      ...(results.exports === undefined ? [] : aroundSharing(input, standing)),
    ],
    withdrawn: standing.withdrawnHosts.length,
    ...(standing.held ? { held: true as const } : {}),
  };
}

function aroundSharing(input: PassFacts, { peer }: Standing): readonly Finding[] {
  return plainTextFindings(input.signing.identity.networkName, peer.memory?.facts.networkName, input.plainText);
}
