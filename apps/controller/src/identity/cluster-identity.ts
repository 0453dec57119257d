import { annotations, clusterIdFor, labels, names } from '#model';
import type { ClusterIdentity } from '#model';
import type { ConfigMap } from '#istio-api';

export interface IdentitySettings {
  readonly namespace: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly networkName: string;
  readonly clusterUUID: string | undefined;
}

/**
 * Who this cluster is: the UUID that stands there already wins over everything, since peers have pinned it; then a configured one, then a
 * fresh one. Domains and network follow the configuration. Throws when a configured UUID contradicts the one in use.
 */
export function clusterIdentity(
  settings: IdentitySettings,
  stored: ConfigMap | undefined,
  freshUUID: () => string,
): ClusterIdentity {
  const kept = stored?.data?.['clusterUUID'];
  if (kept !== undefined && settings.clusterUUID !== undefined && kept !== settings.clusterUUID) {
    throw new Error(
      `ISTHMUS_CLUSTER_UUID=${settings.clusterUUID}: this cluster is known as ${kept} (ConfigMap ${names.clusterConfigMap}); peers pinned that. Set clusterUUID in the values to it, or to nothing`,
    );
  }
  const clusterUUID = kept ?? settings.clusterUUID ?? freshUUID();
  const { trustDomain, clusterDomain, networkName } = settings;
  return { clusterUUID, clusterID: clusterIdFor(clusterDomain, clusterUUID), trustDomain, clusterDomain, networkName };
}

export function clusterConfigMap(namespace: string, identity: ClusterIdentity, report: string): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      namespace,
      name: names.clusterConfigMap,
      labels: { [labels.managedBy]: labels.managedByValue },
      annotations: { [annotations.rotationReport]: report },
    },
    data: { ...identity },
  };
}
