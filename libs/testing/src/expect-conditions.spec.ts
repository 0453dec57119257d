import { describe, expect, it } from '@jest/globals';
import { conditionTableOf } from '#crd';
import type { Condition } from '#istio-api';
import { conditionFaults, expectConditions } from './expect-conditions.js';

const table = conditionTableOf('IstioFederation');
const condition = (type: string, over: Partial<Condition> = {}): Condition => ({
  type,
  status: 'True',
  reason: 'Succeeded',
  message: 'fine',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  observedGeneration: 1,
  ...over,
});

describe('conditionFaults', () => {
  it.each<[string, readonly Condition[]]>([
    ['C1', [condition('MetadataSynced')]],
    ['C2', [condition('Ready'), condition('Ready')]],
    ['C3', [condition('Ready'), condition('Sunny')]],
    ['C4', [condition('Ready', { reason: 'not good' })]],
    ['C5', [condition('Ready', { message: ' ' })]],
    ['C6', [condition('Ready', { lastTransitionTime: 'yesterday' })]],
    ['C7', [condition('Ready', { observedGeneration: 2 })]],
    ['C8', [condition('Ready'), condition('MetadataSynced', { status: 'False' })]],
  ])('%s is found', (number, conditions) => {
    expect(conditionFaults(table, conditions, 1).map((fault) => fault.slice(0, 2))).toEqual([number]);
    expect(() => expectConditions(table, conditions, 1)).toThrow(number);
  });

  it('finds nothing in a clean status', () => {
    expect(conditionFaults(table, [condition('Ready'), condition('MetadataSynced')], 1)).toEqual([]);
  });
});
