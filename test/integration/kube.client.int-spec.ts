import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  applyAndPrune,
  appliedAnnotation,
  ConflictError,
  EventWriter,
  ForbiddenError,
  HttpKubeClient,
  InvalidError,
  kubeconfigAccess,
  KubeUnreachableError,
  NotFoundError,
  pathFor,
  resources,
  silentLogger,
  tokenAccess,
  UnauthorizedError,
} from '#kube';
import type { ApiObject } from '#kube';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs } from '../harness/child.js';
import { connectionsTo } from '../harness/connections.js';
import { installWidgets, widget, widgets } from '../harness/widgets.js';

jest.setTimeout(120_000);

interface ConfigMap extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

function configMap(name: string, data: Record<string, string>): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', labels: { owner: 'kube-spec' } },
    data,
  };
}

describe('KubeClient on a real kube-apiserver', () => {
  let api: ApiServer;
  const place = (name: string): string => pathFor(resources.configMaps, { namespace: 'default', name });

  beforeAll(async () => {
    api = await startApiServer();
  }, hookTimeoutMs);
  afterAll(async () => {
    await api?.stop();
  });

  it('creates, reads, replaces and deletes', async () => {
    const created = await api.client.create(configMap('crud', { a: '1' }));
    expect(created.metadata?.resourceVersion).toBeDefined();
    const replaced = await api.client.replace<ConfigMap>({ ...created, data: { a: '2' } });
    expect((await api.client.get<ConfigMap>(place('crud')))?.data).toEqual({ a: '2' });
    await expect(api.client.replace({ ...created, data: { a: '3' } })).rejects.toThrow(ConflictError);
    expect(await api.client.delete(place('crud'), { uid: 'another' })).toBe(false);
    expect(await api.client.delete(place('crud'), { uid: replaced.metadata?.uid })).toBe(true);
    expect(await api.client.delete(place('crud'))).toBe(false);
    expect(await api.client.get(place('crud'))).toBeUndefined();
  });

  it('lists page by page, items with their kind', async () => {
    for (let i = 0; i < 7; i += 1) await api.client.create(configMap(`page-${i}`, {}));
    const found = await api.client.list(pathFor(resources.configMaps, { namespace: 'default' }), {
      labelSelector: 'owner=kube-spec',
      pageSize: 3,
    });
    expect(found).toHaveLength(7);
    expect(found.every((item) => item.kind === 'ConfigMap' && item.apiVersion === 'v1')).toBe(true);
  });

  it('maps every refusal to its error, with the remedy', async () => {
    const limited = (): Promise<unknown> => api.limited.get(place('crud'));
    await expect(limited()).rejects.toThrow(ForbiddenError);
    await expect(limited()).rejects.toThrow(/cannot get resource "configmaps".*remedy: grant this verb/s);
    await expect(api.client.create(configMap('Not_A_Name', {}))).rejects.toThrow(InvalidError);
    const twice = configMap('twice', {});
    await api.client.create(twice);
    await expect(api.client.create(twice)).rejects.toMatchObject({ alreadyExists: true });
    await expect(api.client.list('/apis/isthmus.dev/v1alpha1/nothings')).rejects.toThrow(NotFoundError);
    const stranger = new HttpKubeClient(tokenAccess(api.server, 'wrong', api.ca));
    await expect(stranger.get(place('crud'))).rejects.toThrow(UnauthorizedError);
    const nobody = new HttpKubeClient(tokenAccess('https://127.0.0.1:1', 'wrong', api.ca));
    await expect(nobody.get(place('crud'))).rejects.toThrow(KubeUnreachableError);
    await Promise.all([stranger.close(), nobody.close()]);
  });

  it('uses few connections for many requests', async () => {
    const port = Number(new URL(api.server).port);
    const own = new HttpKubeClient(await kubeconfigAccess(api.kubeconfig));
    const others = connectionsTo(port);
    let most = 0;
    const look = (): void => void (most = Math.max(most, connectionsTo(port) - others));
    const looking = setInterval(look, 10);
    await Promise.all(Array.from({ length: 300 }, () => own.get(place('page-1'))));
    clearInterval(looking);
    look();
    await own.close();
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(16);
  });

  it('applies differences, leaves equals alone, prunes what is superfluous', async () => {
    const listOwned = (): Promise<ConfigMap[]> =>
      api.client.list<ConfigMap>(pathFor(resources.configMaps, { namespace: 'default' }), { labelSelector: 'o=ssa' });
    const desired = (name: string, data: Record<string, string>): ConfigMap => ({
      ...configMap(name, data),
      metadata: { name, namespace: 'default', labels: { o: 'ssa' } },
    });
    const pass = async (objects: readonly ConfigMap[]) =>
      applyAndPrune({ client: api.client, desired: objects, owned: await listOwned(), fieldManager: 'spec' });
    const first = await pass([desired('x', { a: '1', b: '2' }), desired('y', {})]);
    expect(first).toMatchObject({ applied: [place('x'), place('y')], pruned: [], unchanged: [] });
    const second = await pass([desired('x', { a: '1', b: '2' }), desired('y', {})]);
    expect(second).toMatchObject({ applied: [], pruned: [], unchanged: [place('x'), place('y')] });
    const third = await pass([desired('x', { a: '1' })]);
    expect(third).toMatchObject({ applied: [place('x')], pruned: [place('y')] });
    expect((await listOwned()).map((object) => object.data)).toEqual([{ a: '1' }]);
    await api.client.patch(place('x'), { data: { a: 'drifted' } }, 'application/merge-patch+json');
    expect((await pass([desired('x', { a: '1' })])).applied).toEqual([place('x')]);
    expect((await listOwned())[0]?.metadata?.annotations?.[appliedAnnotation]).toMatch(/^[0-9a-f]{32}$/);
  });

  it('leaves status fields of another manager as they are', async () => {
    await installWidgets(api.client);
    await api.client.create(widget('status'));
    const status = (fieldManager: string, value: object): Promise<ApiObject> =>
      api.client.applyStatus({ ...widget('status'), status: value } as ApiObject, { fieldManager });
    await status('other', { note: 'theirs', conditions: [{ type: 'Theirs', status: 'True' }] });
    await status('isthmus', { conditions: [{ type: 'Ready', status: 'False' }] });
    await status('isthmus', { conditions: [{ type: 'Ready', status: 'True' }] });
    expect(await api.client.get(pathFor(widgets, { name: 'status' }))).toMatchObject({
      status: {
        note: 'theirs',
        conditions: [
          { type: 'Theirs', status: 'True' },
          { type: 'Ready', status: 'True' },
        ],
      },
    });
  });

  it('writes an event once, then as a series', async () => {
    let now = Date.now();
    const writer = new EventWriter({
      client: api.client,
      controller: 'isthmus.dev/spec',
      instance: 'spec',
      logger: silentLogger,
      now: () => now,
    });
    const regarding = await api.client.create(widget('event'));
    for (let i = 0; i < 5; i += 1) {
      writer.write(regarding, { type: 'Warning', reason: 'PortConflict', note: 'port 80 twice', action: 'Import' });
      now += 30_000;
    }
    await writer.flush();
    const events = await api.client.list(pathFor(resources.events, { namespace: 'default' }));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ reason: 'PortConflict', regarding: { name: 'event', kind: 'IstioFederation' } });
  });

  it('repeats a read on a fresh connection when the server was restarted', async () => {
    await api.client.get(place('x'));
    await api.kill();
    await api.restart();
    expect(await api.client.get(place('x'))).toBeDefined();
  });
});
