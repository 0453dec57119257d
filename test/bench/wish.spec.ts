import { describe, expect, it } from '@jest/globals';
import { readWish } from './wish.js';

const benches = { far: { numbers: { rounds: 5, 'poll-rounds': 2 }, texts: ['cpu-prof'] }, near: { numbers: {} } };
const usage =
  'npm run bench -- far [--rounds 5] [--poll-rounds 2] [--cpu-prof …] [--json FILE]\nnpm run bench -- near  [--json FILE]';

describe('what a bench is asked for', () => {
  it('takes what is given and its defaults', () => {
    const { bench, number, text } = readWish(['far', '--rounds', '7', '--json', 'x'], benches);
    expect([bench, number('rounds'), number('poll-rounds'), text('json'), text('cpu-prof')]).toEqual([
      'far',
      7,
      2,
      'x',
      undefined,
    ]);
  });

  it.each([
    [[], 'which bench?'],
    [['--rounds', '7'], 'which bench?'],
    [['toString'], 'no bench is called toString'],
    [['far', '--rounds', 'many'], '--rounds many: expected a whole number from 1 on'],
    [['far', '--rounds', '0'], '--rounds 0: expected a whole number from 1 on'],
    [['near', '--rounds', '7'], "Unknown option '--rounds'"],
    [['near', 'more'], "Unexpected argument 'more'"],
    [['far', '--rounds'], "Option '--rounds <value>' argument missing"],
  ])('%j: %s', (args, message) => {
    expect(() => readWish(args, benches)).toThrow(message);
    expect(() => readWish(args, benches)).toThrow(usage.split('\n')[0]);
  });
});
