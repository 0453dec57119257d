import { describe, expect, it } from '@jest/globals';
import { Debounce } from './debounce.js';

function setUp(): { advance(milliseconds: number): void; subject: Debounce; runs: { at: number; first: number }[] } {
  let now = 1000;
  let planned: { at: number; work: () => void } | undefined;
  const runs: { at: number; first: number }[] = [];
  const subject = new Debounce((first) => runs.push({ at: now, first }), {
    quietMs: 10,
    maxMs: 100,
    clock: { now: () => now },
    later: (work, milliseconds) => {
      const plan = { at: now + milliseconds, work };
      planned = plan;
      return () => {
        if (planned === plan) planned = undefined;
      };
    },
  });
  return {
    subject,
    runs,
    advance: (milliseconds) => {
      const end = now + milliseconds;
      while (planned !== undefined && planned.at <= end) {
        const { at, work } = planned;
        planned = undefined;
        now = at;
        work();
      }
      now = end;
    },
  };
}

describe('debounce', () => {
  it('runs once after the quiet that follows a burst', () => {
    const { subject, advance, runs } = setUp();
    subject.trigger();
    advance(5);
    subject.trigger();
    advance(9);
    expect(runs).toEqual([]);
    advance(1);
    expect(runs).toEqual([{ at: 1015, first: 1000 }]);
    advance(1000);
    expect(runs).toHaveLength(1);
  });

  it('is not put off for longer than the maximum by a storm', () => {
    const { subject, advance, runs } = setUp();
    for (let change = 0; change < 100; change += 1) {
      subject.trigger();
      advance(5);
    }
    expect(runs.map(({ at, first }) => at - first)).toEqual([100, 100, 100, 100, 100]);
  });

  it('runs no more once stopped', () => {
    const { subject, advance, runs } = setUp();
    subject.trigger();
    subject.stop();
    advance(1000);
    expect(runs).toEqual([]);
  });
});
