import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { names } from '#model';
import { remoteSecretFor } from '#planner';
import { clusterz } from '../../apps/mesh/src/monitoring/debug-pages.js';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { inRounds } from '../harness/rounds.js';
import { createAll, createPod, namespace, service, serviceAccount, slice } from './mesh/cluster-objects.js';
import { startReplica, type Replica } from './mesh/mesh-under-test.js';

const [root, release, id] = ['istio-system', 'isthmus-system', 'cluster-local-7'];
const pod = { namespace: 'demo', name: 'echo-1', address: '10.20.0.1', labels: { app: 'echo' } };
const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
const echo = service({ namespace: 'demo', name: 'echo', ports, selector: { app: 'echo' } });

function configMap(inNamespace: string, name: string, data: Readonly<Record<string, string>>): ApiObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: inNamespace, name }, data } as ApiObject;
}

const networks = {
  'net-east': { endpoints: [{ fromRegistry: id }], gateways: [{ address: '192.0.2.1', port: 15443 }] },
};
const identity = configMap(release, names.clusterConfigMap, { clusterUUID: 'u', clusterID: id });

/** What follows from the ID: the debug page's clusters, and where and whose the endpoint is. */
function seen({ mesh }: Replica): object {
  const { current, remotes } = mesh.index;
  const found = current?.model.services.find(({ name }) => name === 'echo')?.endpoints[0];
  return {
    clusters: clusterz(current, remotes.states).map((cluster) => cluster.id),
    network: found?.network,
    whose: found?.workload?.split(';').at(-1),
  };
}

describe('the ID of the mesh core’s own cluster', () => {
  let api: ApiServer;
  const replicas: Replica[] = [];

  beforeAll(async () => {
    api = await startApiServer();
    const own = { server: 'https://127.0.0.1:1', ca: '', credential: 'x', trustDomain: 'test.example' };
    await createAll(api.client, [
      ...[root, release, 'demo'].map(namespace),
      ...[serviceAccount('demo', 'echo-1'), echo],
      configMap(root, names.meshConfigMap, { meshNetworks: JSON.stringify({ networks }) }),
      remoteSecretFor({ ...own, name: 'own', namespace: root, clusterID: id }),
    ]);
    await createPod(api.client, pod);
    await createAll(api.client, [slice(echo, 8080, [pod])]);
  }, hookTimeoutMs);

  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await api?.stop();
  }, 30_000);

  async function started(flags: readonly string[] = []): Promise<Replica> {
    const replica = await startReplica(api, flags);
    replicas.push(replica);
    return replica;
  }

  const known = { clusters: [id], network: 'net-east', whose: id };

  it('is taken up once the controller has written it: a start does not wait for that, and it stays when the ConfigMap is gone', async () => {
    const first = await started();
    expect(seen(first)).toEqual({ clusters: ['Kubernetes', id], network: '', whose: 'Kubernetes' });
    await createAll(api.client, [identity]);
    await waitFor('the ID', () => (JSON.stringify(seen(first)) === JSON.stringify(known) ? true : undefined), {
      timeoutMs: 30_000,
    });
    await api.client.delete(pathFor(resources.configMaps, { namespace: release, name: names.clusterConfigMap }));
    await waitFor('the ConfigMap to be gone', async () => {
      const path = pathFor(resources.configMaps, { namespace: release, name: names.clusterConfigMap });
      return (await api.client.get(path)) === undefined ? true : undefined;
    });
    expect(seen(first)).toEqual(known);
  }, 120_000);

  it('is known to a replica that starts later once it has started, unless a flag names another', async () => {
    await createAll(api.client, [identity]);
    // A start waits five seconds to read who it is.
    const isKnown = (found: object): boolean => isDeepStrictEqual(found, known);
    expect(await inRounds(3, isKnown, async () => seen(await started()))).toEqual(known);
    expect(seen(await started(['--cluster-id', 'other']))).toEqual({
      clusters: ['other', id],
      network: '',
      whose: 'other',
    });
  }, 120_000);
});
