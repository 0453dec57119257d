import { describe, expect, it } from '@jest/globals';
import { environmentOf, expand } from './environment.js';
import { fieldValue } from './facts.js';
import type { PodFacts } from './facts.js';
import type { Container } from './pod-types.js';
import { inUnits, parseQuantity } from './quantity.js';

const facts: PodFacts = {
  pod: {
    metadata: { name: 'web-1', namespace: 'demo', uid: 'u', labels: { b: 'x "y"', a: '1' } },
    spec: {
      nodeName: 'east-node',
      containers: [{ name: 'app', resources: { limits: { memory: '64Mi' }, requests: { cpu: '250m' } } }],
    },
  },
  podIp: '10.244.0.7',
  hostIp: '10.10.1.2',
  allocatable: { cpu: '64', memory: '64Gi' },
  configMap: (name) => (name === 'settings' ? { data: { color: 'blue', '1bad name': 'x' } } : undefined),
  secret: (name) => (name === 'pass' ? { data: { word: Buffer.from('sesame').toString('base64') } } : undefined),
};

function environment(parts: Partial<Container>): Readonly<Record<string, string>> {
  return environmentOf({ name: 'app', ...facts.pod.spec.containers[0], ...parts }, facts, { GIVEN: 'g' });
}

describe('environment of a container', () => {
  it('takes values, fields, resources, keys and whole objects, each able to use those before', () => {
    const env = [
      { name: 'A', value: '$(GIVEN)' },
      { name: 'B', value: '$(A)/$(C)/$$(A)' },
      { name: 'C', value: 'later' },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
      { name: 'CORES', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'MILLI', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
      { name: 'WORD', valueFrom: { secretKeyRef: { name: 'pass', key: 'word' } } },
      { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'absent', key: 'k', optional: true } } },
    ];
    const envFrom = [
      { prefix: 'S_', configMapRef: { name: 'settings' } },
      { secretRef: { name: 'absent', optional: true } },
    ];
    expect(environment({ env, envFrom })).toEqual({
      GIVEN: 'g',
      S_color: 'blue',
      A: 'g',
      B: 'g/$(C)/$(A)',
      C: 'later',
      IP: '10.244.0.7',
      LIMIT: '64',
      CORES: '64',
      MILLI: '250',
      WORD: 'sesame',
    });
  });

  it.each([
    [{ env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'absent', key: 'k' } } }] }, 'Secret absent is not there'],
    [{ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k' } } }] }, 'has no key k'],
    [{ envFrom: [{ configMapRef: { name: 'absent' } }] }, 'ConfigMap absent is not there'],
    [{ env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath: 'spec.nope' } } }] }, 'spec.nope'],
  ])('says what is missing: %j', (parts, message) => {
    expect(() => environment(parts)).toThrow(message);
  });

  it.each([
    ['$(A)', '1'],
    ['$(B)', '$(B)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['a$b', 'a$b'],
    ['$(A', '$(A'],
  ])('expands %s to %s', (text, wanted) => {
    expect(expand(text, { A: '1' })).toBe(wanted);
  });
});

describe('fields and quantities', () => {
  it.each([
    ["metadata.labels['a']", '1'],
    ["metadata.annotations['none']", ''],
    ['metadata.labels', 'a="1"\nb="x \\"y\\""'],
    ['spec.serviceAccountName', 'default'],
    ['spec.nodeName', 'east-node'],
  ])('%s is %j', (path, wanted) => {
    expect(fieldValue(facts, path)).toBe(wanted);
  });

  it.each([
    ['250m', 0.25],
    ['64Mi', 67_108_864],
    ['1e3', 1000],
    ['2G', 2e9],
  ])('%s is %d', (text, wanted) => {
    expect(parseQuantity(text)).toBeCloseTo(wanted, 9);
  });

  it('rounds up to whole units and names what it can not read', () => {
    expect(inUnits('100m', undefined)).toBe('1');
    expect(inUnits('100m', '1m')).toBe('100');
    expect(() => parseQuantity('12 parsecs')).toThrow('"12 parsecs"');
  });
});
