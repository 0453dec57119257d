import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { ConfigMap } from '#istio-api';
import { ConflictError, pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { annotations, names } from '#model';
import { keepMeshConfig } from '../../apps/controller/src/publication/mesh-config.js';
import type { MeshConfigWish } from '../../apps/controller/src/publication/mesh-config.js';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs } from '../harness/child.js';

const namespace = 'istio-system';
const path = pathFor(resources.configMaps, { namespace, name: names.meshConfigMap });
const pem = (content: string): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(content).toString('base64')}\n-----END CERTIFICATE-----\n`;
const west = { pem: pem('west'), trustDomains: ['west.example'] };
const network = { network: 'net-west', clusterID: 'west-1', gateways: [{ address: '192.0.2.2', port: 15443 }] };
const both: MeshConfigWish = { networks: [network], caCertificates: [west] };
const none: MeshConfigWish = { networks: [], caCertificates: [] };
/** As Istio's chart writes it, and an operator after it. */
const theirs = { mesh: '# by hand\ntrustDomain: east.example\n', meshNetworks: 'networks: {}\n' };

type MeshConfig = ConfigMap & ApiObject;

describe('Istio’s mesh configuration on a real API server', () => {
  let api: ApiServer;
  const { signal } = new AbortController();
  const read = (): Promise<MeshConfig | undefined> => api.client.get<MeshConfig>(path);
  const keep = async (wish: MeshConfigWish, live?: MeshConfig): Promise<boolean> =>
    keepMeshConfig(api.client, { namespace, live: live ?? (await read()) }, wish, signal);
  const rootsIn = (live: MeshConfig | undefined): unknown =>
    (parse(live?.data?.['mesh'] ?? '') as { caCertificates?: unknown } | null)?.caCertificates;

  beforeAll(async () => {
    api = await startApiServer();
    await api.client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  }, hookTimeoutMs);
  afterAll(() => api?.stop());

  beforeEach(async () => {
    await api.client.delete(path);
    await api.client.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace, name: names.meshConfigMap, annotations: { theirs: 'too' } },
      data: theirs,
    } as ApiObject);
  });

  it('takes both keys in one write, and nothing when it is so already', async () => {
    expect(await keep(both)).toBe(true);
    const written = await read();
    expect(rootsIn(written)).toEqual([west]);
    expect(written?.data?.['mesh']).toContain(theirs.mesh);
    expect(parse(written?.data?.['meshNetworks'] ?? '')).toMatchObject({ networks: { 'net-west': {} } });
    expect(await keep(both)).toBe(false);
    expect((await read())?.metadata?.resourceVersion).toBe(written?.metadata?.resourceVersion);
  });

  it('is as before when all is taken back', async () => {
    await keep(both);
    await keep(none);
    const live = await read();
    expect(live?.data?.['mesh']).toBe(theirs.mesh);
    expect(parse(live?.data?.['meshNetworks'] ?? '')).toEqual({ networks: {} });
    expect(live?.metadata?.annotations).toEqual({
      theirs: 'too',
      [annotations.networks]: '',
      [annotations.caCertificates]: '',
    });
    expect(await keep(none)).toBe(false);
  });

  it('tells beside the networks whose gateway is whose, and keeps that while names are looked up for the first time', async () => {
    const clusters = async (): Promise<unknown> =>
      JSON.parse((await read())?.data?.[names.clusterGatewaysKey] ?? 'null');
    const { gateways, ...place } = network;
    const said = { 'west-1': { network: 'net-west', gateways } };
    const pending: MeshConfigWish = { networks: [{ ...place, gateways: [], pending: true }] };
    await keep(pending);
    expect(await clusters()).toEqual({ 'west-1': { network: 'net-west', gateways: [] } });
    expect((await read())?.data?.['meshNetworks']).toBe(theirs.meshNetworks);
    await keep({ networks: [network] });
    expect(await clusters()).toEqual(said);
    expect(await keep(pending)).toBe(false);
    await api.client.patch(path, { data: { [names.clusterGatewaysKey]: null } }, 'application/merge-patch+json');
    expect(await keep({ networks: [network] })).toBe(true);
    expect(await clusters()).toEqual(said);
    await keep({ networks: [{ ...place, gateways: [] }] });
    expect(await clusters()).toEqual({ 'west-1': { network: 'net-west', gateways: [] } });
    expect(parse((await read())?.data?.['meshNetworks'] ?? '')).toEqual({ networks: {} });
    await keep({ networks: [] });
    expect((await read())?.data).not.toHaveProperty(names.clusterGatewaysKey);
  });

  it('loses no change of somebody else in between', async () => {
    const stale = await read();
    await api.client.patch(path, { data: { mesh: 'trustDomain: other.example\n' } }, 'application/merge-patch+json');
    await expect(keep(both, stale)).rejects.toThrow(ConflictError);
    expect((await read())?.data?.['mesh']).toBe('trustDomain: other.example\n');
    await keep(both);
    expect(parse((await read())?.data?.['mesh'] ?? '')).toMatchObject({ trustDomain: 'other.example' });
  });

  it('enters roots again after a write of the whole text, and still takes them back', async () => {
    await keep(both);
    await api.client.patch(path, { data: theirs }, 'application/merge-patch+json');
    expect(await keep(both)).toBe(true);
    expect(rootsIn(await read())).toEqual([west]);
    await keep(none);
    expect(rootsIn(await read())).toBeUndefined();
  });

  it('leaves `mesh` alone where our own mesh core runs', async () => {
    await keep({ networks: [network] });
    expect((await read())?.data?.['mesh']).toBe(theirs.mesh);
  });

  it('makes the ConfigMap where there is none', async () => {
    await api.client.delete(path);
    expect(await keepMeshConfig(api.client, { namespace, live: undefined }, { caCertificates: [west] }, signal)).toBe(
      true,
    );
    expect(rootsIn(await read())).toEqual([west]);
  });
});
