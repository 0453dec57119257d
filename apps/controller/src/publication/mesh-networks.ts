import type { ConfigMap } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { annotations, names } from '#model';
import { meshNetworksWith } from '#planner';
import type { RemoteNetwork } from '#planner';

const key = 'meshNetworks';

/**
 * Read-modify-write of the one key that Istio gives for networks: guarded by the resource version, so that a change of somebody else in between is
 * met (409) and the queue comes again. Returns whether something was written.
 */
export async function keepMeshNetworks(
  client: KubeClient,
  place: { readonly namespace: string; readonly live: (ConfigMap & ApiObject) | undefined },
  wanted: readonly RemoteNetwork[],
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace, live } = place;
  const before = (live?.metadata?.annotations?.[annotations.networks] ?? '').split(',').filter((name) => name !== '');
  if (wanted.length === 0 && before.length === 0) return false;
  const { text, ours } = meshNetworksWith(live?.data?.[key], before, wanted);
  if (live?.data?.[key] === text && ours.join(',') === before.join(',')) return false;
  const change = {
    metadata: { annotations: { [annotations.networks]: ours.join(',') }, ...guardOf(live) },
    data: { [key]: text },
  };
  const name = names.meshConfigMap;
  if (live === undefined) {
    const metadata = { ...change.metadata, namespace, name };
    await client.create({ ...change, apiVersion: 'v1', kind: 'ConfigMap', metadata } as ApiObject, { signal });
  } else {
    const path = pathFor(resources.configMaps, { namespace, name });
    await client.patch(path, change, 'application/merge-patch+json', { signal });
  }
  return true;
}

function guardOf(live: ApiObject | undefined): { readonly resourceVersion?: string } {
  const resourceVersion = live?.metadata?.resourceVersion;
  return resourceVersion === undefined ? {} : { resourceVersion };
}
