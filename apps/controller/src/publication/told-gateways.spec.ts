import { describe, expect, it } from '@jest/globals';
import { advanceToldGateways, gatewayReport, nextGatewayChangeMs, toldAddresses } from './told-gateways.js';
import type { GatewaySource, ToldGateways } from './told-gateways.js';

const announceMs = 100;
const [a, b, c] = ['192.0.2.1:1', '192.0.2.2:1', 'c.example:1'];

/** At a moment, who wants which; then what is told. */
type Look = readonly [now: number, source: GatewaySource, wanted: readonly string[], told: readonly string[]];

function looks(...given: readonly Look[]): {
  readonly told: readonly (readonly string[])[];
  readonly last: ToldGateways;
} {
  let state: ToldGateways | undefined;
  const told = given.map(([now, source, wanted]) => {
    state = advanceToldGateways(state, { now, announceMs, source, wanted });
    return toldAddresses(state);
  });
  if (state === undefined) throw new Error('no look was given');
  return { told, last: state };
}

describe('addresses of gateways that peers are told', () => {
  it.each<[string, readonly Look[]]>([
    ['are at first what is wanted', [[0, 'discovered', [a, b], [a, b]]]],
    [
      'are told beside the old until peers have heard, then alone',
      [
        [0, 'values', [a], [a]],
        [1_000, 'annotation', [b], [a, b]],
        [1_099, 'annotation', [b], [a, b]],
        [1_100, 'annotation', [b], [b]],
      ],
    ],
    [
      'follow the chart’s values in the same way',
      [
        [0, 'values', [a], [a]],
        [1_000, 'values', [b], [a, b]],
        [1_100, 'values', [b], [b]],
      ],
    ],
    [
      'change at once where discovery alone finds others: nothing answers at what it lost',
      [
        [0, 'discovered', [a], [a]],
        [1_000, 'discovered', [b], [b]],
      ],
    ],
    [
      'come from discovery again when the wish is withdrawn, the wished ones a while longer',
      [
        [0, 'annotation', [b], [b]],
        [1_000, 'discovered', [a], [a, b]],
        [1_050, 'discovered', [a], [a, b]],
        [1_100, 'discovered', [a], [a]],
      ],
    ],
    [
      'lose one at once while another one that is wanted is known long since',
      [
        [0, 'values', [a, b], [a, b]],
        [1_000, 'values', [b], [b]],
      ],
    ],
    [
      'are taken back before their time: known as they were',
      [
        [0, 'values', [a], [a]],
        [1_000, 'annotation', [b], [a, b]],
        [1_010, 'values', [a], [a]],
      ],
    ],
    [
      'stay while there is no other, and for as long as that one is new',
      [
        [0, 'annotation', [a], [a]],
        [1_000, 'discovered', [], [a]],
        [9_000, 'discovered', [], [a]],
        [9_001, 'discovered', [c], [a, c]],
        [9_100, 'discovered', [c], [a, c]],
        [9_101, 'discovered', [c], [c]],
      ],
    ],
    [
      'are changed twice in a row without a moment in which peers know none',
      [
        [0, 'values', [a], [a]],
        [1_000, 'annotation', [b], [a, b]],
        [1_050, 'annotation', [c], [a, b, c]],
        [1_100, 'annotation', [c], [a, b, c]],
        [1_150, 'annotation', [c], [c]],
      ],
    ],
  ])('%s', (_when, given) => {
    expect(looks(...given).told).toEqual(given.map(([, , , told]) => told));
  });

  it('are the same object while nothing is to be done', () => {
    const { last } = looks([0, 'values', [a], []], [1_000, 'annotation', [b], []]);
    const facts = { announceMs, source: 'annotation', wanted: [b] } as const;
    expect(advanceToldGateways(last, { ...facts, now: 1_099 })).toBe(last);
    expect(nextGatewayChangeMs(last, 1_040, announceMs)).toBe(60);
    const after = advanceToldGateways(last, { ...facts, now: 1_100 });
    expect([after.leaving, nextGatewayChangeMs(after, 1_100, announceMs)]).toEqual([[], undefined]);
  });

  it.each(['values', 'discovered'] as const)(
    'are at most half of what a peer reads, so that all the new fit beside all the old (%s)',
    (source) => {
      const many = (letter: string): readonly string[] =>
        Array.from({ length: 100 }, (_x, at) => `${letter}${String(at).padStart(2, '0')}.example:1`);
      const { told } = looks(
        [0, 'values', many('b'), []],
        [1_000, source, many('a'), []],
        [1_100, source, many('a'), []],
      );
      const first = (letter: string): readonly string[] => many(letter).slice(0, 32);
      expect(told).toEqual([first('b'), [...first('a'), ...first('b')], first('a')]);
    },
  );

  it('are never more than a peer reads: of many that leave some go early, none of those that are wanted', () => {
    const many = (letter: string): readonly string[] =>
      Array.from({ length: 32 }, (_x, at) => `${letter}${at}.example:1`);
    const { last } = looks(
      [0, 'annotation', many('a'), []],
      [1_000, 'annotation', many('b'), []],
      [1_001, 'annotation', many('c'), []],
    );
    expect(toldAddresses(last)).toHaveLength(64);
    expect(toldAddresses(last)).toEqual(expect.arrayContaining([...many('b'), ...many('c')]));
  });
});

describe('what is told of a change of gateway addresses', () => {
  const told = (state: ToldGateways, fault?: string): ReturnType<typeof gatewayReport> =>
    gatewayReport(state, { request: 'r', fault, announceMs });
  const changing = looks([0, 'values', [a], []], [1_000, 'annotation', [b], []]).last;

  it.each<[string, ReturnType<typeof gatewayReport>, object]>([
    [
      'both',
      told(changing),
      {
        phase: 'announced',
        request: 'r',
        nextChangeAt: '1970-01-01T00:00:01.100Z',
        message: `peers are told ${b} (annotation isthmus.dev/gateway-addresses) and beside it ${a}, until they have heard: let both answer`,
      },
    ],
    [
      'the new one alone',
      told(looks([0, 'values', [a], []]).last),
      { phase: 'in use', request: 'r', message: `peers are told ${a} (gateway.addresses of the chart)` },
    ],
    [
      'none in the place of the old',
      told(looks([0, 'annotation', [a], []], [1, 'discovered', [], []]).last),
      {
        phase: 'announced',
        request: 'r',
        message: `peers are told no address (discovered); while there is none, ${a} as before`,
      },
    ],
    [
      'a wish that cannot be met',
      told(looks([0, 'discovered', [a], []]).last, 'that is nothing'),
      { phase: 'refused', request: 'r', message: `that is nothing; until then peers are told ${a} (discovered)` },
    ],
  ])('%s', (_what, report, expected) => {
    expect(report).toEqual(expected);
  });
});
