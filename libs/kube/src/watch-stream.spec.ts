import { describe, expect, it } from '@jest/globals';
import { LineSplitter } from './watch-stream.js';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

describe('lines of a watch', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['whole lines', ['a\nb\n'], ['a', 'b']],
    ['a line in pieces', ['{"a":', '1', '}\n{"b"'], ['{"a":1}']],
    ['empty lines, as heartbeats', ['\n\na\n'], ['a']],
    ['no end yet', ['a', 'b'], []],
  ])('%s', (_name, chunks, lines) => {
    const splitter = new LineSplitter();
    expect(chunks.flatMap((chunk) => splitter.push(bytes(chunk)))).toEqual(lines);
  });

  it('keeps a character whole that was cut in two', () => {
    const splitter = new LineSplitter();
    const text = bytes('ä\n');
    expect([...splitter.push(text.subarray(0, 1)), ...splitter.push(text.subarray(1))]).toEqual(['ä']);
  });

  it('keeps a U+FEFF with which a chunk begins', () => {
    const splitter = new LineSplitter();
    const chunks = ['\u00e4', '\ufeff\n'].map(bytes);
    expect(chunks.flatMap((chunk) => splitter.push(chunk))).toEqual(['\u00e4\ufeff']);
  });

  it('gives up on a line without end, in one chunk or in many', () => {
    const endless = new LineSplitter(1000);
    expect(() => {
      for (let count = 0; count < 100; count += 1) endless.push(bytes('x'.repeat(100)));
    }).toThrow(/more than 1000 characters/);
    expect(() => new LineSplitter(1000).push(bytes(`ok\n${'x'.repeat(2000)}`))).toThrow(/more than 1000 characters/);
  });
});
