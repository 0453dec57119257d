import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigMap } from '#istio-api';
import { pathOfObject } from '#kube';
import type { ApiObject, KubeClient } from '#kube';

/** One lap of the control takes some hundredths of a second. */
export const heldUpMs = 1_000;

/**
 * What something came to, and the longest that the test's own writing and reading at the API server took beside it, milliseconds: what holds that
 * up, this process standing still included, is no fault of what is tested.
 */
export async function besideControl<T>(
  client: KubeClient,
  during: () => Promise<T>,
): Promise<readonly [result: T, slowest: number]> {
  const over = new AbortController();
  const slowest = slowestLap(client, over.signal);
  const result = during().finally(() => over.abort());
  return Promise.all([result, slowest]);
}

async function slowestLap(client: KubeClient, over: AbortSignal): Promise<number> {
  let slowest = 0;
  while (!over.aborted) {
    const begun = performance.now();
    // Of one that fails only the time counts.
    await lap(client).catch(() => undefined);
    await sleep(50);
    slowest = Math.max(slowest, performance.now() - begun);
  }
  return slowest;
}

async function lap(client: KubeClient): Promise<void> {
  const metadata = { namespace: 'default', name: 'control-of-the-test' };
  const data = { at: `${performance.now()}` };
  const control = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } satisfies ConfigMap;
  await client.apply<ApiObject>(control, { fieldManager: 'control' });
  await client.get(pathOfObject(control));
}
