import type { PeerStatus } from '#crd';
import { documentSkewMs } from '#trust';
import type { PeerMemory } from '#trust';
import type { Hearing } from '../peer-link/hearing.js';

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
 * nothing, and what stands in between may keep repeating an old answer. A peer of which something newer waits here has not ended. Pure.
 */
export function endedDocuments(
  hearing: Hearing,
  memory: PeerMemory | undefined,
  waiting: WaitingDocuments,
  now: number,
): EndedDocuments {
  if (waiting.public && now - (hearing.publicDocument?.at ?? -Infinity) <= waitingMs) return {};
  // A peer that refuses our token is not asked what is new.
  const answers = hearing.privateAt !== undefined && hearing.privateFailure === undefined;
  return {
    public: hearing.publicAt === undefined ? undefined : ifOver(memory?.facts.expiresAt, now),
    private: answers && !waiting.private ? ifOver(memory?.privateDocument?.expiresAt, now) : undefined,
  };
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
  const ended = wasRead(hearing, now) ? endedDocuments(hearing, memory, waiting, now) : {};
  const silentMs = Math.max(unansweredMs(hearing, memory, now), now - (ended.public ?? now));
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
