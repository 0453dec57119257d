import { describe, expect, it } from '@jest/globals';
import { rotationIn, rotationMember } from './rotation.js';

interface Written {
  readonly request?: string;
  readonly announcedAt?: number;
  readonly leaving?: readonly string[];
}

const { text, texts, time } = rotationMember;
const secret = 'what stands in the Secret';

function read(said: string): Written {
  return rotationIn<Written>('rotation.json', said, { request: text, announcedAt: time, leaving: texts });
}

describe('how far a rotation has come', () => {
  it.each<[string, string, Written]>([
    ['nothing is under way', '', {}],
    ['nor with no member', '{}', {}],
    [
      'every member',
      '{"request":"a","announcedAt":5,"leaving":["x"]}',
      { request: 'a', announcedAt: 5, leaving: ['x'] },
    ],
    ['the beginning of time, nobody leaving', '{"announcedAt":0,"leaving":[]}', { announcedAt: 0, leaving: [] }],
  ])('is read: %s', (_name, said, expected) => {
    expect(read(said)).toEqual(expected);
  });

  it.each<[string, string, string]>([
    ['no JSON', `{"request":"${secret}`, 'not JSON'],
    ['a list', `["${secret}"]`, 'no JSON object'],
    ['null', 'null', 'no JSON object'],
    ['a request that is a number', '{"request":1}', 'request is not a text'],
    ['a request that is null', '{"request":null}', 'request is not a text'],
    ['a time in words', `{"announcedAt":"${secret}"}`, 'announcedAt is not a time in milliseconds since 1970'],
    ['a time with a fraction', '{"announcedAt":1.5}', 'announcedAt is not a time in milliseconds since 1970'],
    ['a time before 1970', '{"announcedAt":-1}', 'announcedAt is not a time in milliseconds since 1970'],
    ['a time beyond all', '{"announcedAt":1e300}', 'announcedAt is not a time in milliseconds since 1970'],
    ['a list that is a text', `{"leaving":"${secret}"}`, 'leaving is not a list of texts'],
    ['a list with a number', '{"leaving":["x",1]}', 'leaving is not a list of texts'],
  ])('is refused, without a word of what it says: %s', (_name, said, why) => {
    expect(() => read(said)).toThrow(
      new Error(`rotation.json: ${why}; remove the key, and what is under way begins anew`),
    );
  });
});
