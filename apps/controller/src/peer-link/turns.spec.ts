import { describe, expect, it } from '@jest/globals';
import { defaultPacing } from './pacing.js';
import { countedOn, nextTurn, noTurns } from './turns.js';
import type { NextTurn, StreamFate, Turns } from './turns.js';

type Told = readonly [failed: boolean, stream: StreamFate];

/** Plays turns one after the other, each begun when the one before said so; `random` is 1/2 throughout. */
function play(told: readonly Told[], pacing = defaultPacing): NextTurn[] {
  let turns: Turns = noTurns;
  let now = 1_000_000;
  return told.map(([failed, stream]) => {
    const turn = { failed, stream, now, random: 0.5 };
    turns = countedOn(turns, turn, pacing);
    const next = nextTurn(turns, turn, pacing);
    now += next.pauseMs;
    return next;
  });
}

describe('the next turn of a private channel', () => {
  it('is a stream at once after one that held', () => {
    expect(play([[false, 'held']])).toEqual([{ pauseMs: 25, stream: true }]);
  });

  it('is a stream very soon after one that was refused although the poll was answered: the peer has just come to know us', () => {
    expect(play([[false, 'vain']])).toEqual([{ pauseMs: 187.5, stream: true }]);
  });

  it('is a stream ever more seldom for a peer that has none, and polls keep their pace', () => {
    let turns: Turns = noTurns;
    let next: NextTurn = { pauseMs: 0, stream: true };
    const asked: number[] = [];
    let longestPause = 0;
    for (let now = 0; now < 3_600_000; now += next.pauseMs) {
      if (next.stream) asked.push(now);
      const turn = { failed: false, stream: next.stream ? ('vain' as const) : ('none' as const), now, random: 0.5 };
      turns = countedOn(turns, turn, defaultPacing);
      next = nextTurn(turns, turn, defaultPacing);
      longestPause = Math.max(longestPause, next.pauseMs);
    }
    expect(asked.slice(0, 7)).toEqual([0, 187.5, 562.5, 1312.5, 2812.5, 5812.5, 11_812.5]);
    const gaps = asked.map((at, index) => at - (asked[index - 1] ?? 0));
    expect(Math.max(...gaps)).toBe(225_000);
    expect(asked.length).toBeLessThan(30);
    expect(longestPause).toBe(15_000);
  });

  it('backs off while nothing is heard, and asks for streams as before once the peer is back', () => {
    const away = play([
      [true, 'vain'],
      [true, 'vain'],
      [true, 'vain'],
      [false, 'held'],
    ]);
    expect(away.map(({ pauseMs }) => pauseMs)).toEqual([187.5, 375, 750, 25]);
    expect(away.every(({ stream }) => stream)).toBe(true);
  });

  it('forgets streams in vain once one held', () => {
    const none: Told = [false, 'vain'];
    expect(play([none, none, none, [false, 'held'], none]).at(-1)).toEqual({ pauseMs: 187.5, stream: true });
  });

  it('is never a stream where streams are switched off', () => {
    const polls = play(
      [
        [false, 'none'],
        [true, 'none'],
        [false, 'none'],
      ],
      { ...defaultPacing, streams: false },
    );
    expect(polls).toEqual([
      { pauseMs: 15_000, stream: false },
      { pauseMs: 187.5, stream: false },
      { pauseMs: 15_000, stream: false },
    ]);
  });
});
