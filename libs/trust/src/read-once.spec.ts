import { describe, expect, it } from '@jest/globals';
import { readOnce } from './read-once.js';

describe('readOnce', () => {
  it('reads each text once, those that throw every time, and begins anew when there are too many', () => {
    const read: string[] = [];
    const once = readOnce(2, (text) => {
      read.push(text);
      if (text === 'bad') throw new Error('bad');
      return { text };
    });
    expect(once('a')).toBe(once('a'));
    expect(() => once('bad')).toThrow('bad');
    expect(() => once('bad')).toThrow('bad');
    once('b');
    once('c');
    once('a');
    expect(read).toEqual(['a', 'bad', 'bad', 'b', 'c', 'a']);
  });

  it('keeps nothing of texts that are longer than any that is meant, and of those that mean nothing', () => {
    let reads = 0;
    const once = readOnce(2, (text) => {
      reads += 1;
      return text === '' ? undefined : { text };
    });
    for (const text of ['', '', 'x'.repeat(16_385), 'x'.repeat(16_385)]) once(text);
    expect(reads).toBe(4);
  });
});
