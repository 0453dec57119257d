import { delayAfter } from './pacing.js';
import type { Pacing } from './pacing.js';

/**
 * What became of a stream in one turn: `held` = documents or heartbeats came by it for a while; `vain` = it did not open, nothing came
 * by it, or it ended at once; `none` = it was not asked for, or the peer asked for patience.
 */
export type StreamFate = 'held' | 'vain' | 'none';

/** How the turns of a private channel went so far. */
export interface Turns {
  /** Turns in a row in which nothing was heard, by stream or poll. */
  readonly failures: number;
  /** Streams in a row that were asked for in vain although the peer answered polls. */
  readonly vainStreams: number;
  /** When the next stream may be asked for; milliseconds since the epoch. */
  readonly streamNotBefore: number;
}

export const noTurns: Turns = { failures: 0, vainStreams: 0, streamNotBefore: 0 };

/**
 * A peer without streams (a legacy one) is asked for one so seldom that it costs nothing, and often enough that an upgrade is noticed;
 * one that refused the first because it did not know us yet is asked again at once.
 */
const longestStreamPauseMs = 5 * 60_000;

export interface Turn {
  readonly failed: boolean;
  readonly stream: StreamFate;
  readonly now: number;
  /** In [0, 1). */
  readonly random: number;
}

export function countedOn(turns: Turns, { failed, stream, now, random }: Turn, pacing: Pacing): Turns {
  const failures = failed ? turns.failures + 1 : 0;
  if (stream === 'held') return { ...noTurns, failures };
  // With no answer to the poll either, the peer is away: that says nothing of its streams.
  if (stream === 'none' || failed) return { ...turns, failures };
  const vainStreams = turns.vainStreams + 1;
  const pause = delayAfter(vainStreams, { ...pacing, longestRetryMs: longestStreamPauseMs }, random);
  return { failures, vainStreams, streamNotBefore: now + pause };
}

export interface NextTurn {
  readonly pauseMs: number;
  /** Whether a stream is asked for then; else the document is polled. */
  readonly stream: boolean;
}

export function nextTurn(
  turns: Turns,
  { stream, now, random }: Pick<Turn, 'stream' | 'now' | 'random'>,
  pacing: Pacing,
): NextTurn {
  if (turns.failures === 0 && stream === 'held') return { pauseMs: 50 * random, stream: pacing.streams };
  const pollPause =
    turns.failures > 0 ? delayAfter(turns.failures, pacing, random) : pacing.pollMs * (0.9 + 0.2 * random);
  // A clock that was set back makes it no longer.
  const streamPause = Math.min(longestStreamPauseMs, Math.max(0, turns.streamNotBefore - now));
  if (!pacing.streams || streamPause > pollPause) return { pauseMs: pollPause, stream: false };
  return { pauseMs: turns.failures > 0 ? pollPause : streamPause, stream: true };
}
