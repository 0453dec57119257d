import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import { pathFor, pathOfObject, resources } from '#kube';
import type { ApiObject } from '#kube';
import { labels, readerSecretName, remoteSecretName } from '#model';
import { producedLabels } from '#planner';
import { hookTimeoutMs, waitFor } from '../../harness/child.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';

const rootNamespace = 'istio-system';
const multicluster = { multicluster: { enabled: true, apiHost: 'api.east.example:6443' } };

let cluster: Cluster;

function secret(
  namespace: string,
  name: string,
  more: Readonly<Record<string, string>>,
  key: string,
): Secret & ApiObject {
  const data = { [key]: Buffer.from('x').toString('base64') };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name, labels: { ...more } }, data };
}

/** Remote Secrets as an earlier leader left them, and one that somebody else made. */
const multiCluster = { 'istio/multiCluster': 'true' };
const orphan = secret(rootNamespace, remoteSecretName('gone'), { ...producedLabels, ...multiCluster }, 'gone-1');
const foreign = secret(rootNamespace, remoteSecretName('foreign'), multiCluster, 'foreign-1');
const reader = secret(
  releaseNamespace,
  readerSecretName('mesh'),
  { ...producedLabels, [labels.reader]: 'mesh' },
  'gone',
);

async function credentials(): Promise<readonly string[] | undefined> {
  const path = pathFor(resources.secrets, { namespace: releaseNamespace, name: readerSecretName('mesh') });
  const found = await cluster.client.get<Secret & ApiObject>(path);
  return found === undefined ? undefined : Object.keys(found.data ?? {});
}

beforeAll(async () => {
  cluster = await Cluster.start(multicluster);
  for (const object of [orphan, reader]) await cluster.client.apply(object, { fieldManager: 'isthmus' });
  await cluster.client.apply(foreign, { fieldManager: 'operator' });
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('a multicluster peer whose finalizer was taken off while no controller ran', () => {
  it('loses its remote Secret with the next leader, and its readers their credential; others’ Secrets stay', async () => {
    const controller = await cluster.controller('controller-1');
    await waitFor(
      'the credential of the peer to go',
      async () => ((await credentials())?.length === 0 ? true : undefined),
      { timeoutMs: 120_000, everyMs: 100, logFile: controller.logFile },
    );
    expect(await cluster.client.get(pathOfObject(orphan))).toBeUndefined();
    expect(await cluster.client.get(pathOfObject(foreign))).toBeDefined();
  }, 150_000);
});
