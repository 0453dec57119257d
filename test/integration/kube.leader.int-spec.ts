import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { LeaderElector, pathFor, resources, silentLogger } from '#kube';
import type { ApiObject } from '#kube';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';

interface Candidate {
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  readonly terms: () => number;
}

/** No term ends because this process, or the API server, stood still for a while. */
const times = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 200 };

jest.setTimeout(120_000);

describe('LeaderElector on a real kube-apiserver', () => {
  let api: ApiServer;

  beforeAll(async () => {
    api = await startApiServer();
  }, hookTimeoutMs);
  afterAll(async () => {
    await api?.stop();
  });

  function candidate(name: string, identity: string, more: Partial<typeof times> = {}): Candidate {
    const elector = new LeaderElector({
      client: api.client,
      namespace: 'default',
      name,
      identity,
      logger: silentLogger,
      ...times,
      ...more,
    });
    const stop = new AbortController();
    let terms = 0;
    const done = elector.run(stop.signal, (signal) => {
      terms += 1;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    });
    return { elector, stop, done, terms: () => terms };
  }

  const leads = (one: Candidate): Promise<true> =>
    waitFor('leadership', () => (one.elector.isLeader ? true : undefined));

  it('has one leader; a leader that stops hands over at once', async () => {
    const first = candidate('handover', 'a');
    await leads(first);
    const second = candidate('handover', 'b');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(second.elector.isLeader).toBe(false);
    const started = Date.now();
    first.stop.abort();
    await first.done;
    await leads(second);
    // The lease would have run out later.
    expect(Date.now() - started).toBeLessThan(14_000);
    expect([first.terms(), second.terms()]).toEqual([1, 1]);
    second.stop.abort();
    await second.done;
    const lease = await api.client.get<ApiObject & { spec: { holderIdentity?: string; leaseTransitions: number } }>(
      pathFor(resources.leases, { namespace: 'default', name: 'handover' }),
    );
    expect(lease?.spec.holderIdentity ?? '').toBe('');
    expect(lease?.spec.leaseTransitions).toBe(1);
  });

  it('takes over from a silent leader after the lease time, not before', async () => {
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: 'default', name: 'silent' },
      spec: { holderIdentity: 'dead', leaseDurationSeconds: 2, renewTime: '2020-01-01T00:00:00.000000Z' },
    };
    await api.client.create(lease as ApiObject);
    const started = Date.now();
    const heir = candidate('silent', 'heir');
    await leads(heir);
    expect(Date.now() - started).toBeGreaterThanOrEqual(2_000);
    heir.stop.abort();
    await heir.done;
  });

  it('goes on at once under the same identity (a container that was killed and restarted)', async () => {
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: 'default', name: 'same' },
      spec: {
        holderIdentity: 'pod-1',
        leaseDurationSeconds: 3600,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    };
    await api.client.create(lease as ApiObject);
    const again = candidate('same', 'pod-1');
    // Whoever else wanted it would wait for an hour.
    await leads(again);
    again.stop.abort();
    await again.done;
  });

  it('stands back when it cannot renew, and leads again afterwards', async () => {
    const only = candidate('cut', 'a', { leaseMs: 12_000, renewDeadlineMs: 6_000 });
    await leads(only);
    await api.kill();
    await waitFor('standing back', () => (only.elector.isLeader ? undefined : true));
    await api.restart();
    await leads(only);
    expect(only.terms()).toBe(2);
    only.stop.abort();
    await only.done;
  });
});
