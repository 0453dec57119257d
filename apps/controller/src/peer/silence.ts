import { documentSkewMs } from '#trust';
import type { PeerMemory } from '#trust';
import type { Hearing } from '../peer-link/hearing.js';

/** A peer that said nothing for so long counts as silent even without an error. */
const quietMs = 45_000;
/** What a peer shows first after a time in which we did not listen is read before what it said last is judged by its age. */
const readingMs = 15_000;

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
  readonly public?: number;
  readonly private?: number;
}

/**
 * Documents taken that have run out, while the peer answers that there is nothing newer (trust rule 5): a controller that is dead renews
 * nothing, and what stands in between may keep repeating an old answer. Pure.
 */
export function endedDocuments(hearing: Hearing, memory: PeerMemory | undefined, now: number): EndedDocuments {
  const over = now - documentSkewMs;
  const open = hearing.publicAt === undefined ? undefined : memory?.facts.expiresAt;
  // A peer that refuses our token is not asked what is new.
  const answers = hearing.privateAt !== undefined && hearing.privateFailure === undefined;
  const closed = answers ? memory?.privateDocument?.expiresAt : undefined;
  return {
    ...(open !== undefined && open < over ? { public: open } : {}),
    ...(closed !== undefined && closed < over ? { private: closed } : {}),
  };
}

/** Judges how long a peer has been silent. Pure. */
export function silenceOf(hearing: Hearing, memory: PeerMemory | undefined, now: number): Silence {
  const ended = wasRead(hearing, now) ? endedDocuments(hearing, memory, now) : {};
  const silentMs = Math.max(unansweredMs(hearing, memory, now), now - (ended.public ?? now));
  const ahead = [
    ...[memory?.facts.expiresAt, memory?.privateDocument?.expiresAt].map((end = Infinity) => end + documentSkewMs + 1),
    (hearing.answersSince ?? Infinity) + readingMs,
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
