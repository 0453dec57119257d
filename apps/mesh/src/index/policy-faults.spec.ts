import { describe, expect, it } from '@jest/globals';
import type { AuthorizationPolicy } from '#xds';
import { PolicyFaults } from './policy-faults.js';

const good: AuthorizationPolicy = { name: 'good', namespace: 'demo', action: 'ALLOW', rules: [{}] };
const unknownField: object = { from: [{ source: { zones: ['a'] } }] };

describe('PolicyFaults', () => {
  it('counts policies that are not understood, and tells of each once and again when it changed', () => {
    const warnings: unknown[] = [];
    const faults = new PolicyFaults({ trustDomain: 'a', logger: { warn: (fields) => void warnings.push(fields) } });
    const bad: AuthorizationPolicy = { ...good, name: 'bad', rules: [unknownField] };
    const told = { policy: 'demo/bad', faults: ['spec.rules[0].from[0].source.zones: not known'] };
    faults.look([good, bad]);
    faults.look([good, bad]);
    expect([faults.faulty, warnings]).toEqual([1, [told]]);
    faults.look([{ ...bad }]);
    expect([faults.faulty, warnings]).toEqual([1, [told, told]]);
    faults.look([good]);
    expect(faults.faulty).toBe(0);
  });
});
