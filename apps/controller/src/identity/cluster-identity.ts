import { annotations, clusterIdFor, isFields, labels, names, parsedJson } from '#model';
import type { ClusterIdentity } from '#model';
import type { ConfigMap, Secret } from '#istio-api';

export interface IdentitySettings {
  readonly namespace: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly networkName: string;
  readonly clusterUUID: string | undefined;
}

/** Where this cluster's UUID may be known from. */
export interface KnownUUIDs {
  readonly stored: ConfigMap | undefined;
  /** What this leader used until now. */
  readonly remembered: string | undefined;
  /** What the public document says that peers were last given. */
  readonly published: string | undefined;
}

/**
 * Who this cluster is: the UUID that stands there already wins over everything, since peers have pinned it, then the one in use; then a
 * configured one, then the one that was last published, then a fresh one. Domains and network follow the configuration. Throws when a
 * configured UUID contradicts the one in use.
 */
export function clusterIdentity(
  settings: IdentitySettings,
  { stored, remembered, published }: KnownUUIDs,
  freshUUID: () => string,
): ClusterIdentity {
  const kept = storedUUID(stored) ?? remembered;
  if (kept !== undefined && settings.clusterUUID !== undefined && kept !== settings.clusterUUID) {
    throw new Error(
      `ISTHMUS_CLUSTER_UUID=${settings.clusterUUID}: this cluster is known as ${kept} (ConfigMap ${names.clusterConfigMap}); peers pinned that. Set clusterUUID in the values to it, or to nothing`,
    );
  }
  const clusterUUID = kept ?? settings.clusterUUID ?? published ?? freshUUID();
  const { trustDomain, clusterDomain, networkName } = settings;
  return { clusterUUID, clusterID: clusterIdFor(clusterDomain, clusterUUID), trustDomain, clusterDomain, networkName };
}

export function storedUUID(stored: ConfigMap | undefined): string | undefined {
  const text = stored?.data?.['clusterUUID'];
  return text === '' ? undefined : text;
}

/** The UUID that Secret `isthmus-public-document` tells peers; undefined where there is none or it cannot be read. */
export function publishedUUID(secret: Secret | undefined): string | undefined {
  const document = parsedJson(Buffer.from(secret?.data?.['public.json'] ?? '', 'base64').toString('utf8'));
  if (!isFields(document)) return undefined;
  const { clusterUUID } = document;
  return typeof clusterUUID === 'string' && clusterUUID !== '' ? clusterUUID : undefined;
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
