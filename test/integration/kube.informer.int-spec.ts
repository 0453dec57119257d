import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Informer, pathFor, resources, silentLogger } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { installWidgets, removeWidgets, widget, widgets } from '../harness/widgets.js';

interface ConfigMap extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

const group = { informer: 'spec' };
/** Also what opening a watch may take. */
const stallMs = 2_000;

jest.setTimeout(120_000);

function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', labels: group }, data };
}

describe('Informer on a real kube-apiserver', () => {
  let api: ApiServer;
  let stop: AbortController;
  const place = (name: string): string => pathFor(resources.configMaps, { namespace: 'default', name });

  beforeAll(async () => {
    api = await startApiServer();
  }, hookTimeoutMs);
  afterAll(async () => {
    await api?.stop();
  });
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    for (const { metadata } of await api.client.list(pathFor(resources.configMaps, { namespace: 'default' }), {
      labelSelector: 'informer=spec',
    })) {
      await api.client.delete(place(metadata?.name ?? ''));
    }
  });

  function inform(client: KubeClient, more: { stallMs?: number } = {}): Informer<ConfigMap> {
    return new Informer<ConfigMap>({
      client,
      resource: resources.configMaps,
      namespace: 'default',
      labelSelector: 'informer=spec',
      logger: silentLogger,
      ...more,
    });
  }

  it('fills itself by one streamed request, then follows every change', async () => {
    await api.client.create(configMap('a'));
    const informer = inform(api.client);
    const heard: string[] = [];
    informer.onChange(() => {
      throw new Error('a listener that fails harms nobody');
    });
    informer.onChange((key, current, previous) => heard.push(`${key} ${previous ? 'p' : '-'}${current ? 'c' : '-'}`));
    informer.start(stop.signal);
    await informer.synced;
    expect(informer.list().map((object) => object.metadata?.name)).toEqual(['a']);
    expect(informer.list()[0]?.metadata).not.toHaveProperty('managedFields');
    expect(informer.list()[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    await api.client.create(configMap('b'));
    await api.client.patch(place('b'), { data: { x: 'y' } }, 'application/merge-patch+json');
    await api.client.delete(place('a'));
    await waitFor('changes', () => (heard.length === 4 ? true : undefined));
    expect(heard).toEqual(['default/a -c', 'default/b -c', 'default/b pc', 'default/a p-']);
    expect(informer.get('default', 'b')?.data).toEqual({ x: 'y' });
    expect(informer.stats).toMatchObject({ lists: 1, watches: 1, failures: 0 });
  });

  it('hears a change at once', async () => {
    const informer = inform(api.client);
    informer.start(stop.signal);
    await informer.synced;
    const times: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const heard = new Promise<void>((resolve) => {
        const remove = informer.onChange(() => {
          remove();
          resolve();
        });
      });
      await api.client.create(configMap(`t${i}`));
      const created = performance.now();
      await heard;
      times.push(performance.now() - created);
    }
    expect(times.sort((a, b) => a - b)[5]).toBeLessThan(500);
  });

  it('keeps what it knows while the API server is killed, and catches up afterwards', async () => {
    await api.client.create(configMap('kept'));
    const informer = inform(api.client);
    informer.start(stop.signal);
    await informer.synced;
    await api.kill();
    await waitFor('failure', () => (informer.stats.failures > 0 ? true : undefined));
    expect(informer.list()).toHaveLength(1);
    await api.restart();
    await api.client.create(configMap('after'));
    await waitFor('catching up', () => informer.get('default', 'after'));
  });

  it('leaves a silent connection after the stall time and goes on from where it was', async () => {
    const informer = inform(api.client, { stallMs });
    informer.start(stop.signal);
    await informer.synced;
    api.freeze();
    await waitFor('a new try', () => (informer.stats.watches > 2 ? true : undefined));
    api.thaw();
    await api.client.create(configMap('thawed'));
    await waitFor('catching up', () => informer.get('default', 'thawed'));
    expect(informer.stats.lists).toBe(1);
  });

  it('waits for rights that are given later, and survives their loss', async () => {
    const informer = inform(api.limited);
    informer.start(stop.signal);
    await waitFor('refusal', () => (informer.stats.failures > 0 ? true : undefined));
    expect(informer.hasSynced).toBe(false);
    await api.client.create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'reader', namespace: 'default' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'] }],
    } as ApiObject);
    await api.client.create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'reader', namespace: 'default' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'User', name: 'limited' }],
    } as ApiObject);
    await informer.synced;
    await api.client.create(configMap('granted'));
    await waitFor('change', () => informer.get('default', 'granted'));
  });

  it('treats an absent CRD as empty, notices when it comes, and when it goes', async () => {
    await removeWidgets(api.client);
    const informer = new Informer({ client: api.client, resource: widgets, logger: silentLogger });
    informer.start(stop.signal);
    await informer.synced;
    expect(informer.absent).toBe(true);
    expect(informer.list()).toEqual([]);
    await installWidgets(api.client);
    await api.client.create(widget('one'));
    await waitFor('widget', () => informer.get(undefined, 'one'));
    expect(informer.absent).toBe(false);
    await removeWidgets(api.client);
    await waitFor('emptiness', () => (informer.list().length === 0 ? true : undefined));
  });

  it('hears of what was deleted while it was away', async () => {
    await api.client.create(configMap('lost'));
    const informer = inform(api.client, { stallMs });
    const gone: string[] = [];
    informer.onChange((key, current) => current ?? gone.push(key));
    informer.start(stop.signal);
    await informer.synced;
    await api.client.delete(place('lost'));
    await waitFor('deletion', () => (gone.includes('default/lost') ? true : undefined));
  });
});
