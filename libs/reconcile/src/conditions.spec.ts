import { describe, expect, it } from '@jest/globals';
import { conditionTableOf } from '#crd';
import type { Condition } from '#istio-api';
import { expectConditions } from '#testing';
import { bad, finaliseConditions, good, unknown } from './conditions.js';
import { done, stalled, waiting } from './result.js';
import type { FinaliseInput, Judgement } from './conditions.js';

const table = conditionTableOf('IstioFederation');
const noon = Date.UTC(2026, 5, 1, 12);

function finalise(judged: readonly Judgement[], rest: Partial<FinaliseInput> = {}): readonly Condition[] {
  const conditions = finaliseConditions({
    table,
    judged,
    previous: [],
    generation: 3,
    now: noon,
    next: done(),
    ...rest,
  });
  expectConditions(table, conditions, 3);
  return conditions;
}

const trust = good('TrustEstablished', 'Succeeded', 'one root, one key');
const synced = good('MetadataSynced', 'Succeeded', 'fetched');
const unreachable = bad('MetadataSynced', 'Unreachable', 'no answer in 5 s');

describe('finaliseConditions', () => {
  it.each<[string, readonly Judgement[], Partial<FinaliseInput>, [string, string]]>([
    ['all good', [trust, synced], {}, ['True', 'Succeeded']],
    ['nothing judged', [], {}, ['Unknown', 'Progressing']],
    ['one bad', [trust, unreachable], {}, ['False', 'Unreachable']],
    [
      'the most important bad one explains',
      [unreachable, bad('TrustEstablished', 'PinMismatch', 'x')],
      {},
      ['False', 'PinMismatch'],
    ],
    [
      'unknown is not good',
      [trust, unknown('MetadataSynced', 'Progressing', 'first fetch')],
      {},
      ['Unknown', 'Progressing'],
    ],
    ['bad beats unknown', [unknown('TrustEstablished', 'Progressing', 'x'), unreachable], {}, ['False', 'Unreachable']],
    ['a failure beats all', [trust, unreachable], { failure: new Error('apply failed') }, ['False', 'ReconcileFailed']],
    ['stalled', [trust], { next: stalled('SpecInvalid', 'x') }, ['False', 'SpecInvalid']],
    ['waiting', [trust], { next: waiting('Progressing', 'x', 1) }, ['Unknown', 'Progressing']],
    [
      'unsummarised negative condition',
      [trust, good('TrustUnscoped', 'TrustShared', 'stock istiod')],
      {},
      ['True', 'Succeeded'],
    ],
  ])('%s', (_name, judged, rest, [status, reason]) => {
    expect(finalise(judged, rest)[0]).toMatchObject({ type: 'Ready', status, reason });
  });

  it('moves a transition time only when the status changes', () => {
    const before = finalise([trust, synced]);
    const later = { now: noon + 60_000, previous: before };
    const same = finalise([{ ...trust, message: 'two roots' }, synced], later);
    expect(same.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual(before.map((c) => c.lastTransitionTime));
    const changed = finalise([trust, unreachable], later);
    expect(changed.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
      ['Ready', '2026-06-01T12:01:00Z'],
      ['TrustEstablished', '2026-06-01T12:00:00Z'],
      ['MetadataSynced', '2026-06-01T12:01:00Z'],
    ]);
  });

  it('says the same for judgements in any order, and cuts messages to the API limit', () => {
    expect(finalise([synced, trust])).toEqual(finalise([trust, synced]));
    expect(finalise([{ ...trust, message: 'x'.repeat(40_000) }])[1]?.message).toHaveLength(32_768);
  });

  it.each([
    ['twice', [trust, trust]],
    ['not in the table', [good('Sunny', 'Succeeded', 'x')]],
  ])('refuses a judgement that is %s', (_name, judged) => {
    expect(() => finalise(judged)).toThrow('condition');
  });
});
