import { describe, expect, it } from '@jest/globals';
import { errorsOf, moveOf } from './calls.js';
import type { Call } from './calls.js';

const call = (answered: number, by: string | undefined): Call => ({
  ...{ at: answered - 3, answered },
  ...(by === undefined ? { error: '503 no healthy upstream' } : { by }),
});

describe('how calls move', () => {
  const elsewhere = ({ by }: Call): boolean => by !== undefined && by !== 'east';
  it.each([
    ['at once', [call(100, 'east'), call(120, 'west')], { first: 10, all: 10, slowest: 3 }],
    [
      'one came back',
      [call(100, 'east'), call(120, 'west'), call(140, 'east'), call(160, 'west')],
      { first: 10, all: 50, slowest: 3 },
    ],
    [
      'an error at the end: they have not all moved',
      [call(120, 'west'), call(150, undefined)],
      { first: 10, all: 40, slowest: 3 },
    ],
    ['nothing from the old place', [call(120, 'west'), call(140, 'west')], { first: 10, all: 10, slowest: 3 }],
  ])('%s', (_name, calls, move) => {
    expect(moveOf(calls, 110, elsewhere)).toEqual(move);
  });
});

it('counts errors by kind', () => {
  expect(errorsOf([call(1, 'east'), call(2, undefined), call(3, undefined)])).toEqual({
    ...{ calls: 3, errors: 2 },
    kinds: { '503 no healthy upstream': 2 },
  });
});
