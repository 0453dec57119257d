import type { Secret } from '#istio-api';
import type { ApplyOutcome } from '#kube';
import { documentSecretName, peerKey } from '#model';
import type { PeerRef, TrustRegistry } from '#model';
import type { PublicationInput, PublicationVerdict } from './publication/decide.js';
import { peerAnnotation } from './publication/documents.js';
import type { DocumentContent } from './publication/documents.js';
import { refOf } from './publication/standing.js';
import type { KnownPeer } from './publication/standing.js';
import { textOf } from './shards.js';

export interface PlanFacts {
  readonly input: PublicationInput;
  readonly verdict: PublicationVerdict;
  /** What is trusted now; undefined where nothing was written yet. */
  readonly registry: TrustRegistry | undefined;
  /** By peer key: why what is remembered of it cannot be read. */
  readonly faults: ReadonlyMap<string, string>;
  /** By peer key: how it went to ask a peer that was never met. */
  readonly met: ReadonlyMap<string, Meeting>;
  readonly desired: readonly object[];
  readonly outcome: ApplyOutcome;
}

/** What came of asking a peer for this plan alone: `taken`, or why a document is not known. */
export interface Meeting {
  readonly publicDocument: string;
  readonly privateDocument: string;
}

interface TrustPlan {
  readonly peer: string;
  readonly trusted: boolean;
  readonly change: 'begins' | 'ends' | 'none';
  readonly why: string;
  /** A peer that was never met: what it said to this plan. */
  readonly met?: Meeting;
  readonly silentSeconds?: number;
  readonly withdrawnHosts?: number;
}

interface DocumentPlan {
  readonly peer: string;
  readonly change: 'new' | 'changed' | 'removed' | 'none';
  readonly gateways?: readonly string[];
  readonly services?: readonly string[];
  readonly apiHost?: string;
}

/** Everything a pass would do now, in words and objects; Secrets by name only. Pure. */
export function planReport(facts: PlanFacts): object {
  const { verdict, desired, outcome } = facts;
  return {
    trust: trustPlans(facts),
    documents: documentPlans(facts),
    write: outcome.applied,
    prune: outcome.pruned,
    unchanged: outcome.unchanged.length,
    ...(verdict.remote === undefined
      ? {}
      : {
          remoteSecrets: verdict.remote.remoteSecrets.map(({ metadata }) => metadata?.name),
          networks: verdict.remote.networks.flatMap(({ network, gateways = [] }) =>
            gateways.length === 0 ? [] : [network],
          ),
        }),
    ...(verdict.caCertificates === undefined
      ? {}
      : { caCertificates: verdict.caCertificates.flatMap(({ trustDomains }) => trustDomains) }),
    objects: desired,
  };
}

function trustPlans({ input, verdict, registry, faults, met }: PlanFacts): readonly TrustPlan[] {
  const before = new Set((registry?.peers ?? []).map(peerKey));
  const plans = input.peers.map((peer): TrustPlan => {
    const key = peerKey(refOf(peer.resource));
    const trusted = verdict.perPeer.get(key)?.trusted ?? false;
    const meeting = met.get(key);
    const withdrawn = verdict.perPeer.get(key)?.withdrawn ?? 0;
    return {
      peer: key,
      trusted,
      change: change(before.has(key), trusted),
      why: reasonFor(peer, verdict, faults.get(key)),
      ...(meeting === undefined ? {} : { met: meeting }),
      ...(peer.silentMs === 0 ? {} : { silentSeconds: Math.round(peer.silentMs / 1000) }),
      ...(withdrawn === 0 ? {} : { withdrawnHosts: withdrawn }),
    };
  });
  const there = new Set(plans.map(({ peer }) => peer));
  const gone = [...before].filter((key) => !there.has(key));
  const why = 'no valid resource names this peer any more';
  return [...plans, ...gone.map((peer): TrustPlan => ({ peer, trusted: false, change: 'ends', why }))];
}

function change(before: boolean, now: boolean): TrustPlan['change'] {
  return before === now ? 'none' : now ? 'begins' : 'ends';
}

function reasonFor({ resource, memory }: KnownPeer, verdict: PublicationVerdict, fault: string | undefined): string {
  const publication = verdict.perPeer.get(peerKey(refOf(resource)));
  if (fault !== undefined) return `MemoryUnreadable: ${fault}`;
  if (memory === undefined) return 'nothing is known of it: it is to be met first';
  if (publication?.trusted === true) return `its first contact was ${memory.firstContact}`;
  if (resource.metadata.deletionTimestamp !== undefined) return 'Terminating: its resource is being deleted';
  if (publication?.trustWithdrawn === true) return 'FailedClosed: its stalePolicy withdraws trust in its silence';
  return publication?.findings.map(({ reason, message }) => `${reason}: ${message}`).join('; ') ?? 'not judged';
}

function documentPlans({ input, verdict }: PlanFacts): readonly DocumentPlan[] {
  const refs = new Map(input.peers.map(({ resource }) => [peerKey(refOf(resource)), refOf(resource)]));
  const plans = [...verdict.contents].map(([peer, content]): DocumentPlan => {
    const live = livePieces(input.liveDocuments, refs.get(peer));
    return {
      peer,
      change: live === undefined ? 'new' : sameContent(live, content) ? 'none' : 'changed',
      ...told(content),
    };
  });
  const gone = input.liveDocuments.flatMap(({ metadata }) => metadata?.annotations?.[peerAnnotation] ?? []);
  const removed = [...new Set(gone)].filter((peer) => !verdict.contents.has(peer)).sort();
  return [...plans, ...removed.map((peer): DocumentPlan => ({ peer, change: 'removed' }))];
}

function told(content: DocumentContent): Partial<DocumentPlan> {
  const gateways = content.ingressGateways.map(({ address, port }) => `${address}:${port}`);
  if ('apiHost' in content) return { gateways, apiHost: content.apiHost };
  const services = content.publicServices.map(
    ({ hostname, ports }) => `${hostname} ${ports.map(({ name, port }) => `${name}=${port}`).join(',')}`,
  );
  return { gateways, services };
}

/** The document that is served now; an empty one where what there is of it is not whole. */
function livePieces(live: readonly Secret[], ref: PeerRef | undefined): Readonly<Record<string, unknown>> | undefined {
  if (ref === undefined) return undefined;
  try {
    const text = textOf((shard) => live.find(({ metadata }) => metadata?.name === documentSecretName(ref, shard)));
    return text === undefined ? undefined : (JSON.parse(text) as Readonly<Record<string, unknown>>);
  } catch {
    return {};
  }
}

function sameContent(live: Readonly<Record<string, unknown>>, content: DocumentContent): boolean {
  return Object.entries(content).every(([field, value]) => JSON.stringify(live[field]) === JSON.stringify(value));
}
