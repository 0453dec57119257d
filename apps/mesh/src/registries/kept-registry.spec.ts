import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { EndpointSlice, Pod, Service } from '#istio-api';
import { annotations } from '#model';
import type { RegistryObjects } from './cluster-informers.js';
import {
  digestOf,
  indexConfigMap,
  indexIn,
  indexName,
  packedIn,
  partConfigMap,
  partNames,
  partsOf,
  registryIn,
  registryText,
  sameOwner,
  type KeptIndex,
} from './kept-registry.js';

const owner = { clusterID: 'west', secret: 'istio-system/west', secretUID: 'uid', trustDomain: 'west.example' };
const index: KeptIndex = { version: 1, owner, digest: digestOf(''), generation: 'a1', parts: 2, lastContact: 5 };

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    namespace: 'demo',
    name: 'echo',
    uid: 'u',
    resourceVersion: '7',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { app: 'echo' },
    annotations: { 'networking.istio.io/exportTo': '.', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  },
  spec: { clusterIP: '10.0.0.1', ports: [{ name: 'http', port: 80 }] },
};
const slice: EndpointSlice = {
  metadata: { namespace: 'demo', name: 'echo-1' },
  endpoints: [{ addresses: ['1.2.3.4'] }],
};
const pod: Pod = {
  metadata: { namespace: 'demo', name: 'echo-x', generateName: 'echo-' },
  status: { phase: 'Running', podIP: '1.2.3.4' },
};
const objects: RegistryObjects = {
  services: [service],
  endpointSlices: [slice],
  pods: [pod],
  localities: new Map([
    ['node-2', 'eu/b'],
    ['node-1', 'eu/a'],
  ]),
  networks: new Map([['demo', 'net-west']]),
};

describe('a registry as text', () => {
  it('comes back with all that models read, and no more', () => {
    const back = registryIn(registryText(objects));
    expect(back.services).toEqual([
      {
        metadata: {
          namespace: 'demo',
          name: 'echo',
          creationTimestamp: '2026-01-01T00:00:00Z',
          labels: { app: 'echo' },
          annotations: { 'networking.istio.io/exportTo': '.' },
        },
        spec: service.spec,
      },
    ]);
    expect([back.endpointSlices, back.pods]).toEqual([[slice], [pod]]);
    expect([back.localities, back.networks]).toEqual([objects.localities, objects.networks]);
  });

  it('is the same for replicas that have read the same, whatever the versions and the order of nodes', () => {
    const elsewhere: RegistryObjects = {
      ...objects,
      services: [{ ...service, metadata: { ...service.metadata, resourceVersion: '9' } }],
      localities: new Map([...objects.localities].reverse()),
    };
    expect(registryText(elsewhere)).toBe(registryText(objects));
    expect(registryText({ ...objects, pods: [] })).not.toBe(registryText(objects));
  });

  it.each(['', '{', '[]', '{"services":[]}', '{"services":{},"endpointSlices":[],"pods":[]}'])('is not %j', (text) =>
    expect(() => registryIn(text)).toThrow(),
  );
});

describe('parts', () => {
  const limits = { textBytes: 0, partBytes: 10, parts: 3 };
  it.each([
    [0, [0]],
    [10, [10]],
    [11, [10, 1]],
    [30, [10, 10, 10]],
  ])('%i bytes', (length, sizes) => {
    const packed = randomBytes(length);
    const parts = partsOf(packed, limits);
    expect(typeof parts === 'string' ? parts : parts.map((part) => part.length)).toEqual(sizes);
    const stored = typeof parts === 'string' ? [] : parts.map((part, n) => partConfigMap('peers', `p-${n}`, part));
    expect(packedIn(stored)).toEqual(packed);
    expect(packedIn([...stored.slice(1), undefined])).toBeUndefined();
  });

  it('are refused beyond the bound', () =>
    expect(partsOf(randomBytes(31), limits)).toBe('its registry takes 31 bytes compressed, more than 30'));
});

describe('an index', () => {
  it('says what it was given, and names parts of its own', () => {
    expect(indexIn(indexConfigMap('peers', index))).toEqual(index);
    expect(partNames(index)).toEqual([`${indexName('west')}-a1-1`, `${indexName('west')}-a1-2`]);
  });

  it('is named so that Kubernetes takes it and no two clusters share it', () => {
    const names = ['west', 'West', 'we.st', 'we_st', `${'w'.repeat(250)}1`, `${'w'.repeat(250)}2`, '_'].map(indexName);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
    for (const name of names) expect(name.length).toBeLessThan(80);
    expect(new Set(names).size).toBe(names.length);
  });

  const spoilt = (value: string, name = indexName('west')) => ({
    metadata: { name, annotations: { [annotations.keptRegistry]: value } },
  });
  it.each([
    ['nothing', { metadata: { name: indexName('west') } }, 'no JSON'],
    ['no JSON', spoilt('{'), 'no JSON'],
    ['another version', spoilt(JSON.stringify({ ...index, version: 2 })), 'version'],
    ['no owner', spoilt(JSON.stringify({ ...index, owner: undefined })), 'version'],
    ['too many parts', spoilt(JSON.stringify({ ...index, parts: 17 })), 'version'],
    ['no parts', spoilt(JSON.stringify({ ...index, parts: 0 })), 'version'],
    ['another cluster', spoilt(JSON.stringify(index), indexName('north')), 'another cluster'],
  ])('with %s is not read', (_title, configMap, fault) => expect(indexIn(configMap)).toContain(fault));

  it.each(['clusterID', 'secret', 'secretUID', 'trustDomain'])('is nobody else’s: %s', (field) => {
    expect(sameOwner(owner, { ...owner })).toBe(true);
    expect(sameOwner(owner, { ...owner, [field]: 'other' })).toBe(false);
  });
});
