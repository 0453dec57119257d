import type { ConfigMap } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { annotations, names } from '#model';
import type { GatewayAddress } from '#model';
import { caCertificatesWith, meshNetworksWith } from '#planner';
import type { CaCertificate, ClusterGateways, RemoteNetwork } from '#planner';

/** A network of a peer. `pending`: its gateways' names are being looked up for the first time, those written before stay until then. */
export type NetworkWish = RemoteNetwork & { readonly pending?: boolean };

/** What Istio's mesh configuration is to hold of ours; what is absent is not ours to look at. */
export interface MeshConfigWish {
  readonly networks?: readonly NetworkWish[];
  readonly caCertificates?: readonly CaCertificate[];
}

type LiveConfigMap = (ConfigMap & ApiObject) | undefined;

/** Keys and annotations as they are to be; null = not there. */
interface Change {
  readonly data: Readonly<Record<string, string | null>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Read-modify-write of the keys that Istio gives for networks and roots, and of our own beside them: guarded by the resource version, so that a
 * change of somebody else in between is met (409) and the queue comes again. Returns whether something was written.
 */
export async function keepMeshConfig(
  client: KubeClient,
  place: { readonly namespace: string; readonly live: LiveConfigMap },
  { networks, caCertificates }: MeshConfigWish,
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace, live } = place;
  const changes = [
    networks === undefined ? undefined : networksChange(live, networks),
    caCertificates === undefined ? undefined : caCertificatesChange(live, caCertificates),
  ].filter((change) => change !== undefined && !isSo(live, change));
  if (changes.length === 0) return false;
  const data = Object.assign({}, ...changes.map((change) => change?.data)) as Change['data'];
  const change = {
    metadata: {
      annotations: Object.assign({}, ...changes.map((each) => each?.annotations)) as Change['annotations'],
      ...guardOf(live),
    },
    data,
  };
  const name = names.meshConfigMap;
  if (live === undefined) {
    const metadata = { ...change.metadata, namespace, name };
    const present = Object.fromEntries(Object.entries(data).filter(([, text]) => text !== null));
    await client.create({ ...change, data: present, apiVersion: 'v1', kind: 'ConfigMap', metadata } as ApiObject, {
      signal,
    });
  } else {
    const path = pathFor(resources.configMaps, { namespace, name });
    await client.patch(path, change, 'application/merge-patch+json', { signal });
  }
  return true;
}

/** Whose gateway is whose goes with the networks in one write: neither is ever seen without the other. */
function networksChange(live: LiveConfigMap, wish: readonly NetworkWish[]): Change | undefined {
  const before = live?.data?.[names.clusterGatewaysKey];
  const ours = oursOf(live, annotations.networks);
  // Somebody else's text need not even be readable while nothing in it is ours.
  if (wish.length === 0 && ours.length === 0 && before === undefined) return undefined;
  const wanted = wish.map(({ pending = false, ...network }) =>
    pending ? { ...network, gateways: gatewaysIn(before, network) } : network,
  );
  const next = meshNetworksWith(live?.data?.['meshNetworks'], ours, wanted);
  const clusters = Object.keys(next.clusters).length === 0 ? null : JSON.stringify(next.clusters);
  return {
    data: { meshNetworks: next.text ?? null, [names.clusterGatewaysKey]: clusters },
    annotations: { [annotations.networks]: next.ours.join(',') },
  };
}

/** What we wrote of a cluster's gateways; none when somebody has spoilt it. */
function gatewaysIn(before: string | undefined, { clusterID, network }: RemoteNetwork): readonly GatewayAddress[] {
  try {
    const entry = (JSON.parse(before ?? '{}') as Partial<ClusterGateways>)[clusterID];
    return entry?.network === network && Array.isArray(entry.gateways) ? entry.gateways : [];
  } catch {
    return [];
  }
}

function caCertificatesChange(live: LiveConfigMap, wanted: readonly CaCertificate[]): Change | undefined {
  const before = oursOf(live, annotations.caCertificates);
  if (wanted.length === 0 && before.length === 0) return undefined;
  const { text, ours } = caCertificatesWith(live?.data?.['mesh'], before, wanted);
  return { data: { mesh: text }, annotations: { [annotations.caCertificates]: ours.join(',') } };
}

function oursOf(live: LiveConfigMap, annotation: string): readonly string[] {
  return (live?.metadata?.annotations?.[annotation] ?? '').split(',').filter((name) => name !== '');
}

function isSo(live: LiveConfigMap, change: Change): boolean {
  const said = live?.metadata?.annotations ?? {};
  return (
    Object.entries(change.data).every(([key, text]) => (live?.data?.[key] ?? null) === text) &&
    Object.entries(change.annotations).every(([name, text]) => (said[name] ?? '') === text)
  );
}

function guardOf(live: ApiObject | undefined): { readonly resourceVersion?: string } {
  const resourceVersion = live?.metadata?.resourceVersion;
  return resourceVersion === undefined ? {} : { resourceVersion };
}
