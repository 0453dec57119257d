import { describe, expect, it } from '@jest/globals';
import type { DestinationRule } from '../mesh-model.js';
import { echo, model } from '../model.fixture.js';
import { trafficPolicyFor } from './destination-rule.js';

/** A rule that is told by its connect timeout. */
const rule = (connectTimeoutMs: number, fields: Partial<DestinationRule> = {}): DestinationRule => ({
  name: `r${connectTimeoutMs}`,
  namespace: 'demo',
  host: echo.hostname,
  exportTo: [],
  createdAt: connectTimeoutMs,
  trafficPolicy: { connectTimeoutMs },
  portPolicies: {},
  ...fields,
});

describe('trafficPolicyFor', () => {
  const cases: readonly [string, DestinationRule[], number | undefined][] = [
    ['none', [], undefined],
    ['the service’s namespace', [rule(1)], 1],
    ['the client’s namespace first', [rule(1), rule(2, { namespace: 'client' })], 2],
    ['the root namespace last', [rule(1, { namespace: 'istio-system', host: '*.cluster.a' })], 1],
    ['not exported', [rule(1, { exportTo: ['.'] })], undefined],
    ['another namespace', [rule(1, { namespace: 'other' })], undefined],
    ['the most specific host', [rule(1, { host: '*.cluster.a' }), rule(2, { host: '*.svc.cluster.a' }), rule(3)], 3],
    ['the older', [rule(2), rule(1)], 1],
    ['a port’s own policy whole', [rule(1, { portPolicies: { 80: { connectTimeoutMs: 9 } } })], 9],
    ['another host', [rule(1, { host: 'x' })], undefined],
  ];
  it.each(cases)('%s', (_name, destinationRules, expected) => {
    const policy = trafficPolicyFor({ ...model, destinationRules }, 'client', echo, 80);
    expect(policy.connectTimeoutMs).toBe(expected);
  });
});
