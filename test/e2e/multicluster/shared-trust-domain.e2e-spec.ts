import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call } from '../../demo/scene.js';
import type { Condition } from '../../demo/scene.js';
import { eventually } from '../../demo/story.js';
import { multiclusterFor, startLab } from '../../lab/index.js';
import type { ApiObject, Lab, LabCluster } from '../../lab/index.js';

const multiclusters = '/apis/isthmus.dev/v1alpha1/istiomulticlusters';
const trustDomain = 'one.example';
let lab: Lab;
let east: LabCluster;
let west: LabCluster;

interface Multicluster extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly findings?: readonly { readonly reason: string }[];
  };
}

beforeAll(async () => {
  lab = await startLab({ clusters: 2, multicluster: true, peers: false, trustDomain });
  [east, west] = lab.clusters as [LabCluster, LabCluster];
}, 240_000);

afterAll(async () => {
  await lab?.stop();
}, 60_000);

async function join(cluster: LabCluster, peer: LabCluster, sharedTrustDomain: boolean): Promise<void> {
  const resource = multiclusterFor(peer) as { readonly spec: object };
  const spec = { ...resource.spec, sharedTrustDomain };
  await cluster.api.apply(`${multiclusters}/${peer.name}`, { ...resource, spec });
}

async function condition(type: string): Promise<Condition | undefined> {
  const found = await east.api.get<Multicluster>(`${multiclusters}/west`);
  return found?.status?.conditions?.find((each) => each.type === type);
}

describe('two clusters of one trust domain, each with a root of its own', () => {
  it('are strangers with one name until the operator says that it is meant', async () => {
    await Promise.all([join(east, west, false), join(west, east, false)]);
    const said = await eventually('the conflict', 30_000, async () => {
      const trust = await condition('TrustEstablished');
      return trust?.status === 'False' ? trust : undefined;
    });
    expect(said).toMatchObject({ reason: 'TrustDomainConflict' });
  }, 60_000);

  it('with sharedTrustDomain unite their roots: pods of either are called, identities hold, and it is said', async () => {
    await Promise.all([join(east, west, true), join(west, east, true)]);
    await eventually('Ready', 60_000, async () => ((await condition('Ready'))?.status === 'True' ? true : undefined));
    const found = await east.api.get<Multicluster>(`${multiclusters}/west`);
    expect(found?.status?.findings?.map(({ reason }) => reason)).toContain('TrustShared');
    await east.api.patch('/apis/apps/v1/namespaces/demo/deployments/echo', { spec: { replicas: 0 } });
    const answer = await eventually('an answer by west', 30_000, async () => {
      const result = await call(lab, east, 'call-http', 'http://echo.demo/');
      return result.ok && (result.body as { cluster?: string }).cluster === 'west' ? result : undefined;
    });
    expect(JSON.stringify(answer.body)).toContain(`URI=spiffe://${trustDomain}/ns/demo/sa/client`);
  }, 120_000);
});
