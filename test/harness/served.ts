import type { KubeClient } from '#kube';
import { waitFor } from './child.js';

/** Waits until the API server answers for a resource by its path, which it does a while after its CRD is there. */
export async function untilServed(client: KubeClient, path: string): Promise<void> {
  const served = async (): Promise<true | undefined> =>
    (await client.request({ method: 'GET', path })).status === 200 ? true : undefined;
  await waitFor(`${path} to be served`, served, { timeoutMs: 60_000, everyMs: 100 });
}
