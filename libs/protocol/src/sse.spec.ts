import { describe, expect, it } from '@jest/globals';
import { EventStreamParser, formatEvent, heartbeat } from './index.js';

const parse = (chunks: readonly string[], maximum = 1000): unknown[] => {
  const parser = new EventStreamParser(maximum);
  return chunks.flatMap((chunk) => parser.push(chunk));
};
const event = (id: string, data: string, name = 'document'): unknown => ({ event: name, id, data });

describe('event stream', () => {
  it.each<[string, readonly string[], unknown[]]>([
    ['one event', ['event: document\nid: 7\ndata: {"a":1}\n\n'], [event('7', '{"a":1}')]],
    ['no space after the colon', ['event:document\nid:7\ndata:x\n\n'], [event('7', 'x')]],
    ['only one space is taken', ['data:  x\n\n'], [event('', ' x', 'message')]],
    ['CRLF', ['event: document\r\nid: 7\r\ndata: x\r\n\r\n'], [event('7', 'x')]],
    [
      'CR alone',
      ['event: document\rid: 7\rdata: x\r\rid: 8\rdata: y\r\r'],
      [event('7', 'x'), event('8', 'y', 'message')],
    ],
    ['CRLF cut in two', ['data: x\r', '\n\r', '\ndata: y\n\n'], [event('', 'x', 'message'), event('', 'y', 'message')]],
    ['byte order mark', ['\uFEFFdata: x\n\n'], [event('', 'x', 'message')]],
    ['several data lines', ['data: a\ndata: b\ndata\n\n'], [event('', 'a\nb\n', 'message')]],
    ['comments and heartbeats', [': hi\n\n', heartbeat(), 'data: x\n\n'], [event('', 'x', 'message')]],
    ['id lasts', ['id: 1\ndata: a\n\ndata: b\n\n'], [event('1', 'a', 'message'), event('1', 'b', 'message')]],
    ['id with NUL is passed over', ['id: 1\u00002\ndata: a\n\n'], [event('', 'a', 'message')]],
    ['unknown fields', ['retry: 5\nfoo: bar\ndata: a\n\n'], [event('', 'a', 'message')]],
    ['unfinished event is not told', ['data: a\n'], []],
    ['no data, no event', ['event: document\nid: 3\n\n'], []],
    ['byte by byte', [...'event: document\nid: 7\ndata: xyz\n\n'], [event('7', 'xyz')]],
  ])('%s', (_name, chunks, expected) => {
    expect(parse(chunks)).toEqual(expected);
  });

  it('writes what it reads, with line breaks in data and none in id', () => {
    const text = formatEvent({ event: 'document', id: '1\n2', data: 'a\nb' });
    expect(parse([text])).toEqual([event('12', 'a\nb')]);
  });

  it.each<[string, readonly string[]]>([
    ['one long line', [`data: ${'x'.repeat(200)}`]],
    ['many pieces without an end', Array.from({ length: 30 }, () => 'xxxxx')],
    ['many short lines', Array.from({ length: 60 }, () => 'data: x\n')],
    ['an endless comment', [`:${'x'.repeat(101)}`]],
    ['a whole event in one piece', [`data: ${'x'.repeat(100)}\n\n`]],
  ])('bounded: %s', (_name, chunks) => {
    expect(() => parse(chunks, 100)).toThrow(RangeError);
  });

  it('counts each event by itself', () => {
    expect(
      parse(
        Array.from({ length: 100 }, () => `data: ${'x'.repeat(50)}\n\n`),
        100,
      ),
    ).toHaveLength(100);
  });

  it.each(['\n', '\r', '\r\n'])('an endless row of %j costs no more than its length', (lineBreak) => {
    const start = process.cpuUsage();
    expect(parse([lineBreak.repeat(1024 * 1024)])).toEqual([]);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(15_000);
  });

  it('takes 16 MiB in pieces without quadratic work', () => {
    const chunks = [`data: `, ...Array.from({ length: 1024 }, () => 'x'.repeat(16 * 1024)), '\n\n'];
    const [found] = parse(chunks, 20 * 1024 * 1024) as { data: string }[];
    expect(found?.data.length).toBe(16 * 1024 * 1024);
  });
});
