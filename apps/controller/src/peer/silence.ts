import type { PeerStatus } from '#crd';
import { documentSkewMs } from '#trust';
import type { PeerMemory } from '#trust';
import type { Hearing } from '../peer-link/hearing.js';
import type { PeerInput } from './input.js';

/** A peer that said nothing for so long counts as silent even without an error. */
const quietMs = 45_000;
/** What a peer shows first after a time in which we did not listen is read before what it said last is judged by its age. */
const readingMs = 15_000;

/** A newer document that waits holds the end of the one taken off for so long after it came: as long as documents are signed for. */
const waitingMs = 3_600_000;
const approvals: ReadonlySet<string> = new Set(['RootChangedPendingApproval', 'KeyChangedPendingApproval']);

/** What a peer's silence is worth to its stalePolicy; milliseconds. */
export interface Silence {
  /** Since it last answered, or since the public document ended behind which it answers nothing newer; 0 while neither is so. */
  readonly silentMs: number;
  /** Likewise of its private document: costs its services, not the trust by which a newer one is asked for. */
  readonly contentSilentMs: number;
  /** Until one of its documents ends; absent where none will. */
  readonly endsInMs?: number;
}

/** When signed documents ended (Unix ms) that nothing newer has followed, although the peer answers. */
export interface EndedDocuments {
  readonly public?: number | undefined;
  readonly private?: number | undefined;
}

/** Newer documents that came and are not taken yet: what was taken goes on past its end. */
export interface WaitingDocuments {
  /** Shows a root or key that waits for approval; it keeps a newer private document from being proved, too. */
  readonly public: boolean;
  /** Held by the removal brake. */
  readonly private: boolean;
}

/** What waits, as the last status tells it. */
export function waitingInStatus(status: PeerStatus | undefined): WaitingDocuments {
  const trust = status?.conditions?.find(({ type }) => type === 'TrustEstablished');
  return { public: approvals.has(trust?.reason ?? ''), private: status?.removalHeld !== undefined };
}

/**
 * Documents taken that have run out, while the peer answers that there is nothing newer (trust rule 5): a controller that is dead renews
 * nothing, and what stands in between may keep repeating an old answer. A peer of which something newer waits here has not ended. While we have
 * only just begun to listen nothing ends anew, but what was told as ended by the leader or link before stays so: repeating old answers to it
 * gives nothing back. Pure.
 */
export function endedDocuments(
  { hearing, previous, now }: Pick<PeerInput, 'hearing' | 'previous' | 'now'>,
  memory: PeerMemory | undefined,
  waiting: WaitingDocuments,
): EndedDocuments {
  if (waiting.public && now - (hearing.publicDocument?.at ?? -Infinity) <= waitingMs) return {};
  const counts = wasRead(hearing, now)
    ? { public: hearing.publicAt !== undefined, private: hearing.privateAt !== undefined }
    : { public: hearing.publicAt !== undefined && silentSinceIn(previous) !== undefined, private: isTold(previous) };
  // A peer that refuses our token is not asked what is new.
  const asked = hearing.privateFailure === undefined && !waiting.private;
  return {
    public: counts.public ? ifOver(memory?.facts.expiresAt, now) : undefined,
    private: counts.private && asked ? ifOver(memory?.privateDocument?.expiresAt, now) : undefined,
  };
}

/** The peer's private document was told as ended, or itself as silent. */
function isTold(status: PeerStatus | undefined): boolean {
  const synced = status?.conditions?.find(({ type }) => type === 'MetadataSynced');
  return synced?.reason === 'StaleKeepingLastKnownGood';
}

/** Since when the status says that the peer is silent (Unix ms). */
function silentSinceIn(status: PeerStatus | undefined): number | undefined {
  const since = status?.documents?.silentSince;
  return since === undefined ? undefined : Date.parse(since);
}

function ifOver(end: number | undefined, now: number): number | undefined {
  return end !== undefined && end < now - documentSkewMs ? end : undefined;
}

/** Judges how long a peer has been silent, which has this status. Pure. */
export function silenceOf(
  hearing: Hearing,
  memory: PeerMemory | undefined,
  status: PeerStatus | undefined,
  now: number,
): Silence {
  const waiting = waitingInStatus(status);
  const ended = endedDocuments({ hearing, previous: status, now }, memory, waiting);
  // Who was silent is so until it has answered this leader, or this link.
  const told = hearing.lastContact === undefined ? silentSinceIn(status) : undefined;
  const silentMs = Math.max(unansweredMs(hearing, memory, now), now - (ended.public ?? told ?? now));
  const ahead = [
    ...[memory?.facts.expiresAt, memory?.privateDocument?.expiresAt].map((end = Infinity) => end + documentSkewMs + 1),
    (hearing.answersSince ?? Infinity) + readingMs,
    ((waiting.public ? hearing.publicDocument?.at : undefined) ?? Infinity) + waitingMs + 1,
  ]
    .map((at) => at - now)
    .filter((ms) => ms > 0 && Number.isFinite(ms));
  return {
    silentMs,
    contentSilentMs: Math.max(silentMs, now - (ended.private ?? now)),
    ...(ahead.length === 0 ? {} : { endsInMs: Math.min(...ahead) }),
  };
}

function wasRead({ answersSince = Infinity }: Hearing, now: number): boolean {
  return now - answersSince >= readingMs;
}

function unansweredMs(hearing: Hearing, memory: PeerMemory | undefined, now: number): number {
  const known = memory?.privateDocument?.fetchedAt ?? memory?.publicDocument.fetchedAt ?? 0;
  const last = Math.max(hearing.lastContact ?? 0, known);
  // The public document alone tells: it is asked for all the time, also of a peer in which trust was withdrawn for its silence.
  const failing = hearing.publicFailure !== undefined;
  const quiet = now - last;
  // Time in which we ourselves did not listen is no silence of the peer: it counts once the peer was asked.
  const asked = failing || hearing.lastContact !== undefined;
  return asked && last > 0 && (failing || quiet > quietMs) ? quiet : 0;
}
