import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConfigMap } from '#istio-api';
import { NotFoundError, silentLogger, type KubeClient } from '#kube';
import { StatusWriter, type ClusterReport } from './status-writer.js';

const where = { method: 'PATCH', path: '/x' };
const begin = 1_000_000_000;
let now = begin;
const well: ClusterReport = { synced: true, lastContact: 1, services: 2, endpoints: 3 };

/** Keeps one ConfigMap as an API server would. */
class OneConfigMap implements Pick<KubeClient, 'patch' | 'apply'> {
  data: Record<string, string> | undefined;
  writes = 0;

  patch<T>(_path: string, body: unknown): Promise<T> {
    if (this.data === undefined) return Promise.reject(new NotFoundError(404, 'NotFound', 'not there', where));
    this.writes += 1;
    for (const [key, value] of Object.entries((body as { data: Record<string, string | null> }).data)) {
      if (value === null) delete this.data[key];
      else this.data[key] = value;
    }
    return Promise.resolve({ data: { ...this.data } } as T);
  }

  apply<T>(object: T): Promise<T> {
    this.writes += 1;
    this.data = { ...(object as ConfigMap).data };
    return Promise.resolve(object);
  }
}

describe('StatusWriter', () => {
  const stop = { current: new AbortController() };
  beforeEach(() => {
    stop.current = new AbortController();
    now = begin;
  });
  afterEach(() => stop.current.abort());

  function start(map: OneConfigMap, reports: Record<string, ClusterReport>): StatusWriter {
    const writer = new StatusWriter({
      client: map as unknown as KubeClient,
      logger: silentLogger,
      clock: { now: () => now },
      rootNamespace: 'istio-system',
      podName: 'mesh-a',
      reports: () => reports,
      livingPods: () => new Set(['mesh-b']),
    });
    writer.start(stop.current.signal);
    return writer;
  }
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

  it('makes the ConfigMap with its own key', async () => {
    const map = new OneConfigMap();
    start(map, { west: well });
    await settle();
    expect(map.data).toEqual({ 'mesh-a': JSON.stringify({ clusters: { west: well }, at: now }) });
  });

  it('leaves living replicas alone, and takes away what others said long ago or nobody can read', async () => {
    const map = new OneConfigMap();
    const long = JSON.stringify({ clusters: {}, at: now - 600_001 });
    const lately = JSON.stringify({ clusters: {}, at: now - 1000 });
    map.data = { 'mesh-b': long, 'mesh-c': long, 'mesh-d': 'nonsense', 'mesh-new': lately };
    start(map, { west: well });
    await settle();
    expect(Object.keys(map.data).sort()).toEqual(['mesh-a', 'mesh-b', 'mesh-new']);
  });

  it('writes nothing again for a sign of life alone', async () => {
    const map = new OneConfigMap();
    map.data = {};
    const reports = { west: well };
    const writer = start(map, reports);
    await settle();
    reports.west = { ...well, lastContact: 99 };
    writer.changed();
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(map.writes).toBe(1);
  });

  it('tells the last sign of life of a cluster that is well once a minute', async () => {
    const map = new OneConfigMap();
    map.data = {};
    const reports = { west: well };
    const writer = start(map, reports);
    await settle();
    reports.west = { ...well, lastContact: 99 };
    now = begin + 59_999;
    writer.changed();
    await settle();
    expect(map.writes).toBe(1);
    now = begin + 60_000;
    writer.changed();
    await settle();
    expect(JSON.parse(map.data['mesh-a'] ?? '')).toMatchObject({ clusters: { west: { lastContact: 99 } }, at: now });
  });
});
