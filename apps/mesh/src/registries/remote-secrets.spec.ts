import { describe, expect, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import { annotations } from '#model';
import { wantedClusters } from './remote-secrets.js';

const encoded = (text: string): string => Buffer.from(text).toString('base64');

function secret(name: string, data: Record<string, string>, more: Record<string, string> = {}, day = 1): Secret {
  return {
    metadata: {
      namespace: 'istio-system',
      name,
      creationTimestamp: `2026-01-0${day}T00:00:00Z`,
      annotations: more,
    },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, encoded(value)])),
  };
}

describe('wantedClusters', () => {
  it('reads cluster, kubeconfig, trust domain and stale policy', () => {
    const policy = { mode: 'DrainAfter', after: '10m', overrides: [{ hosts: ['a.b'], mode: 'Keep' }] };
    const { wanted, faults } = wantedClusters(
      [
        secret(
          'istio-remote-secret-west',
          { west: 'config' },
          { [annotations.trustDomain]: 'west.example', [annotations.stalePolicy]: JSON.stringify(policy) },
        ),
        secret('two', { north: 'n', south: 's' }),
      ],
      'east',
    );
    expect([...wanted.values()]).toEqual([
      {
        clusterID: 'west',
        secret: 'istio-system/istio-remote-secret-west',
        kubeconfig: 'config',
        trustDomain: 'west.example',
        stalePolicy: policy,
      },
      { clusterID: 'north', secret: 'istio-system/two', kubeconfig: 'n' },
      { clusterID: 'south', secret: 'istio-system/two', kubeconfig: 's' },
    ]);
    expect(faults).toEqual([]);
  });

  it('lets the older of two Secrets hold, and passes over our own cluster', () => {
    const { wanted, faults } = wantedClusters(
      [secret('b', { west: 'new' }, {}, 2), secret('c', { west: 'old', east: 'we' }, {}, 1)],
      'east',
    );
    expect([...wanted.values()].map(({ kubeconfig }) => kubeconfig)).toEqual(['old']);
    expect(faults.map(({ clusterID, secret: name, fault }) => [clusterID, name, fault])).toEqual([
      ['east', 'istio-system/c', expect.stringContaining('own cluster ID')],
      ['west', 'istio-system/b', expect.stringContaining('istio-system/c')],
    ]);
  });

  it.each([
    'nonsense',
    '[]',
    '{"mode":"Sometimes"}',
    '{"mode":"DrainAfter","after":5}',
    '{"mode":"Keep","overrides":[{"hosts":"a","mode":"Keep"}]}',
    '{"mode":"Keep","overrides":{}}',
  ])('follows a cluster whose stale policy is unreadable, keeping what it says: %s', (text) => {
    const { wanted, faults } = wantedClusters(
      [secret('a', { west: 'c' }, { [annotations.stalePolicy]: text })],
      'east',
    );
    expect(wanted.get('west')).not.toHaveProperty('stalePolicy');
    expect(faults).toEqual([expect.objectContaining({ clusterID: 'west' })]);
  });
});
