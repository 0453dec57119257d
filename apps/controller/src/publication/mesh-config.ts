import type { ConfigMap } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { annotations, names } from '#model';
import { caCertificatesWith, meshNetworksWith } from '#planner';
import type { CaCertificate, RemoteNetwork } from '#planner';

/** What Istio's mesh configuration is to hold of ours; what is absent is not ours to look at. */
export interface MeshConfigWish {
  readonly networks?: readonly RemoteNetwork[];
  readonly caCertificates?: readonly CaCertificate[];
}

type LiveConfigMap = (ConfigMap & ApiObject) | undefined;

/** One key of the ConfigMap: the YAML in it, and an annotation that tells which of its entries are ours. */
interface KeyChange {
  readonly key: string;
  readonly text: string;
  readonly annotation: string;
  readonly ours: string;
}

/**
 * Read-modify-write of the keys that Istio gives for networks and roots: guarded by the resource version, so that a change of somebody else in
 * between is met (409) and the queue comes again. Returns whether something was written.
 */
export async function keepMeshConfig(
  client: KubeClient,
  place: { readonly namespace: string; readonly live: LiveConfigMap },
  { networks, caCertificates }: MeshConfigWish,
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace, live } = place;
  const changes = [
    networks === undefined
      ? undefined
      : changeOf(live, 'meshNetworks', annotations.networks, networks, (text, before) =>
          meshNetworksWith(text, before, networks),
        ),
    caCertificates === undefined
      ? undefined
      : changeOf(live, 'mesh', annotations.caCertificates, caCertificates, (text, before) =>
          caCertificatesWith(text, before, caCertificates),
        ),
  ].filter((change) => change !== undefined);
  if (changes.length === 0) return false;
  const change = {
    metadata: {
      annotations: Object.fromEntries(changes.map(({ annotation, ours }) => [annotation, ours])),
      ...guardOf(live),
    },
    data: Object.fromEntries(changes.map(({ key, text }) => [key, text])),
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

function changeOf(
  live: LiveConfigMap,
  key: string,
  annotation: string,
  wanted: readonly unknown[],
  write: (current: string | undefined, before: readonly string[]) => { text: string; ours: readonly string[] },
): KeyChange | undefined {
  const said = live?.metadata?.annotations?.[annotation] ?? '';
  // Somebody else's text need not even be readable while nothing in it is ours.
  if (wanted.length === 0 && said === '') return undefined;
  const { text, ours } = write(
    live?.data?.[key],
    said.split(',').filter((name) => name !== ''),
  );
  const same = live?.data?.[key] === text && ours.join(',') === said;
  return same ? undefined : { key, text, annotation, ours: ours.join(',') };
}

function guardOf(live: ApiObject | undefined): { readonly resourceVersion?: string } {
  const resourceVersion = live?.metadata?.resourceVersion;
  return resourceVersion === undefined ? {} : { resourceVersion };
}
