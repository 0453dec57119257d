import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { call, callFrom, peerEvents, untilAnswered } from '../../demo/scene.js';
import type { Condition } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import {
  applyDeployment,
  clientTemplate,
  deploymentsAvailable,
  injectSidecar,
  multiclusterFor,
  startLab,
  startLoad,
} from '../../lab/index.js';
import type { ApiObject, Lab, LabCluster } from '../../lab/index.js';
import { caseLimitMs } from '../limits.js';
import { unusedGrants } from '../rbac/grants.js';
import { isthmus } from '../rotation/operator.js';

const multiclusters = '/apis/isthmus.dev/v1alpha1/istiomulticlusters';
const services = '/api/v1/namespaces/demo/services';
const trustDomain = 'one.example';
let lab: Lab;
let east: LabCluster;
let west: LabCluster;

interface Multicluster extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly findings?: readonly { readonly reason: string }[];
    readonly revocation?: { readonly openConnections?: string };
  };
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-shared-'));

jest.setTimeout(caseLimitMs);

beforeAll(async () => {
  // Pods of both are on one network, so that gateways may stand behind node ports: what that needs of rights is seen at the end.
  const values = join(folder, 'values.json');
  writeFileSync(values, JSON.stringify({ gateway: { serviceType: 'NodePort' } }));
  const apiServerFlags = ['--feature-gates=WatchList=false'];
  lab = await startLab({
    clusters: 2,
    multicluster: true,
    peers: false,
    trustDomain,
    values: [values],
    apiServerFlags,
  });
  [east, west] = lab.clusters as [LabCluster, LabCluster];
});

afterAll(async () => {
  await lab?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function joinPeer(cluster: LabCluster, peer: LabCluster, sharedTrustDomain: boolean): Promise<void> {
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
    await Promise.all([joinPeer(east, west, false), joinPeer(west, east, false)]);
    const said = await eventually('the conflict', patienceMs, async () => {
      const trust = await condition('TrustEstablished');
      // Before it was ever heard a peer is without trust, too.
      if (trust?.reason === 'TrustDomainConflict') return trust;
      throw new Error(`${trust?.reason}: ${trust?.message}`);
    });
    expect(said.status).toBe('False');
  });

  it('with sharedTrustDomain unite their roots: pods of either are called, identities hold, and it is said', async () => {
    await Promise.all([joinPeer(east, west, true), joinPeer(west, east, true)]);
    // Not Ready: the lab's node addresses are inside, so that gateways behind node ports are not reached, and pods are called directly.
    for (const type of ['TrustEstablished', 'RegistrySynced'])
      await eventually(type, patienceMs, async () => ((await condition(type))?.status === 'True' ? true : undefined));
    const found = await east.api.get<Multicluster>(`${multiclusters}/west`);
    expect(found?.status?.findings?.map(({ reason }) => reason)).toContain('TrustShared');
    await east.api.patch('/apis/apps/v1/namespaces/demo/deployments/echo', { spec: { replicas: 0 } });
    const answer = await eventually('an answer by west', patienceMs, async () => {
      const result = await call(lab, east, 'call-http', 'http://echo.demo/');
      return result.ok && (result.body as { cluster?: string }).cluster === 'west' ? result : undefined;
    });
    expect(JSON.stringify(answer.body)).toContain(`URI=spiffe://${trustDomain}/ns/demo/sa/client`);
  });

  it('un-trusting refuses new connections, leaves open ones, and says so', async () => {
    // The other way round: west's client calls a service that only east has, since west's own echo is nearer.
    const echo = await east.api.get<ApiObject & { spec: { selector: object; ports: object[] } }>(`${services}/echo`);
    await east.api.patch('/apis/apps/v1/namespaces/demo/deployments/echo', { spec: { replicas: 1 } });
    await east.api.apply(`${services}/east-only`, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'east-only' },
      spec: { selector: echo?.spec.selector, ports: echo?.spec.ports },
    });
    const target = 'http://east-only.demo.svc.cluster.local/';
    await untilAnswered(lab, west, 'call-http', target);
    const open = startLoad(lab, {
      cluster: west.name,
      namespace: 'demo',
      pod: 'client',
      tool: 'call-tcp',
      target: 'east-only.demo.svc.cluster.local:9000',
      rate: 10,
    });
    await eventually('calls over an open connection', patienceMs, async () =>
      (open.latest()?.calls ?? 0) > 5 ? true : undefined,
    );
    const told = await isthmus(east, 'trust', 'revoke', 'imc/west');
    expect(told).toMatch(/√ trust in west ended after \d.*; trust domain one\.example goes on: it is not its alone/);
    expect(told).toMatch(/√ new connections of its workloads are refused\n! open ones live until they end/);
    expect(told).not.toContain('next request');
    const found = await east.api.get<Multicluster>(`${multiclusters}/west`);
    expect(found?.status?.revocation?.openConnections).toBe('Kept');
    const words = 'new connections of its workloads are refused and open ones live until they end';
    expect((await condition('Ready'))?.message).toContain(words);
    await eventually('an Event that says so', patienceMs, async () => {
      const events = await peerEvents(east);
      return events.some(({ note }) => note?.includes(words) === true) ? true : undefined;
    });

    const before = open.latest()?.calls ?? 0;
    await eventually('more calls over the open connection', patienceMs, async () =>
      (open.latest()?.calls ?? 0) > before + 20 ? true : undefined,
    );
    expect(await open.stop()).toMatchObject({ failures: 0 });
    // Another pod of west has no connection yet.
    await applyDeployment(west, 'demo', clientTemplate('stranger'), { inject: injectSidecar });
    await deploymentsAvailable(west, 'demo');
    await eventually('the stranger to be refused', patienceMs, async () =>
      (await callFrom(lab, west, 'stranger', ['call-http', target])).ok ? undefined : true,
    );
  });
});

describe('gateways behind node ports', () => {
  it('need nodes read, and nothing of that right is idle or missing: taking a verb away would turn this red', async () => {
    const { forbidden, idle } = await unusedGrants(lab, east);
    expect(forbidden).toEqual([]);
    expect(idle.filter((grant) => grant.startsWith('isthmus-controller') && grant.includes(' nodes '))).toEqual([]);
    const granted = await east.api.get<
      ApiObject & { readonly rules?: readonly { readonly resources?: readonly string[] }[] }
    >('/apis/rbac.authorization.k8s.io/v1/clusterroles/isthmus-controller');
    expect(granted?.rules?.some(({ resources }) => resources?.includes('nodes') === true)).toBe(true);
  });
});
