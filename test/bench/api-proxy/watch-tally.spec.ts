import { describe, expect, it } from '@jest/globals';
import { eventsIn, WatchTally } from './watch-tally.js';

describe('events at watches', () => {
  /** Three watches of two groups, five events: watches 0 and 2 are to see 0, 2, 4, watch 1 is to see 1 and 3. */
  const seen = (events: readonly (readonly [watch: number, event: number])[]): WatchTally => {
    const tally = new WatchTally(3, 2);
    for (let at = 0; at < 5; at += 1) tally.write(at * 10);
    for (const [watch, event] of events) tally.see(watch, event, event * 10 + 7);
    return tally;
  };
  const all = [
    [0, 0],
    [0, 2],
    [0, 4],
    [2, 0],
    [2, 2],
    [2, 4],
    [1, 1],
    [1, 3],
  ] as const;

  it.each([
    ['each once', all, { expected: 8, lost: 0, doubled: 0, strange: 0 }],
    ['one lost', all.slice(1), { expected: 8, lost: 1, doubled: 0, strange: 0 }],
    [
      'one twice does not make up for one lost',
      [...all.slice(1), [1, 3]],
      { expected: 8, lost: 1, doubled: 1, strange: 0 },
    ],
    ['another group’s', [...all, [1, 2]], { expected: 8, lost: 0, doubled: 0, strange: 1 }],
    ['never written', [...all, [0, 6]], { expected: 8, lost: 0, doubled: 0, strange: 1 }],
  ] as const)('%s', (_name, events, sum) => {
    expect(seen(events).sum()).toEqual(sum);
  });

  it('times the first sight only, from the write', () => {
    expect(seen([...all, [0, 0]]).delays).toEqual(all.map(() => 7));
  });
});

it('finds events in lines, however the bytes are cut', () => {
  const line = (event: number): string =>
    `{"type":"MODIFIED","object":{"metadata":{"annotations":{"isthmus-bench/event":"${event}"},"managedFields":[{"f:isthmus-bench/event":{}}]}}}\n`;
  const bytes = Buffer.from(`${line(7)}{"type":"BOOKMARK"}\n${line(81)}${line(9).trimEnd()}`);
  for (const size of [1, 13, bytes.length]) {
    const found: number[] = [];
    const read = eventsIn((event) => found.push(event));
    for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size));
    expect(found).toEqual([7, 81]);
  }
});
