import { describe, expect, it } from '@jest/globals';
import type { LabelSelector } from './object.js';
import { labelsMatch, selectorMatches } from './selector.js';

const expression = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', values?: string[]): LabelSelector => ({
  matchExpressions: [{ key: 'tier', operator, ...(values === undefined ? {} : { values }) }],
});

describe('selectorMatches', () => {
  it.each<[string, LabelSelector, Record<string, string> | undefined, boolean]>([
    ['empty selects all', {}, undefined, true],
    ['equal label', { matchLabels: { a: '1' } }, { a: '1', b: '2' }, true],
    ['other value', { matchLabels: { a: '1' } }, { a: '2' }, false],
    ['missing label', { matchLabels: { a: '1' } }, undefined, false],
    ['In', expression('In', ['x', 'y']), { tier: 'y' }, true],
    ['In, absent', expression('In', ['x']), {}, false],
    ['NotIn, absent', expression('NotIn', ['x']), {}, true],
    ['NotIn, present', expression('NotIn', ['x']), { tier: 'x' }, false],
    ['Exists', expression('Exists'), { tier: '' }, true],
    ['DoesNotExist', expression('DoesNotExist'), { tier: '' }, false],
  ])('%s', (_name, selector, labels, expected) => {
    expect(selectorMatches(selector, labels)).toBe(expected);
  });

  it('wants nothing from a workload without labels when nothing is wanted', () => {
    expect(labelsMatch(undefined, undefined)).toBe(true);
  });
});
