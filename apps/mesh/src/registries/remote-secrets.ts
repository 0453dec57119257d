import type { StalePolicy } from '#crd';
import { staleModes } from '#crd';
import type { Secret } from '#istio-api';
import { annotations, compareText, parsedJson } from '#model';

/** One cluster that a remote Secret asks us to read. */
export interface WantedCluster {
  readonly clusterID: string;
  /** `namespace/name`. */
  readonly secret: string;
  readonly secretUID?: string;
  readonly kubeconfig: string;
  /** Of its workloads; absent = ours. */
  readonly trustDomain?: string;
  /** Absent = Keep. */
  readonly stalePolicy?: StalePolicy;
}

/** Something in a remote Secret that is not followed, and what to do about it. */
export interface RemoteSecretFault {
  readonly clusterID: string;
  readonly secret: string;
  readonly fault: string;
}

export interface WantedClusters {
  readonly wanted: ReadonlyMap<string, WantedCluster>;
  readonly faults: readonly RemoteSecretFault[];
}

/**
 * Clusters by ID, one per key of the Secrets that `istioctl create-remote-secret` and our controller write. Of two Secrets with one ID
 * the older holds; our own ID is passed over.
 */
export function wantedClusters(secrets: readonly Secret[], ownClusterID: string): WantedClusters {
  const wanted = new Map<string, WantedCluster>();
  const faults: RemoteSecretFault[] = [];
  const entries = [...secrets].sort(olderFirst).flatMap((secret) =>
    Object.entries(secret.data ?? {})
      .sort(([a], [b]) => compareText(a, b))
      .map(([clusterID, encoded]) => ({ secret, clusterID, encoded })),
  );
  for (const { secret, clusterID, encoded } of entries) {
    const name = `${secret.metadata?.namespace ?? ''}/${secret.metadata?.name ?? ''}`;
    const holder = wanted.get(clusterID);
    if (clusterID === ownClusterID) {
      faults.push({ clusterID, secret: name, fault: 'it has our own cluster ID; remove it' });
    } else if (holder !== undefined) {
      faults.push({ clusterID, secret: name, fault: `${holder.secret} has this cluster ID already; remove one` });
    } else {
      const policy = stalePolicyOf(secret);
      if (policy === 'unreadable') {
        const fault = `annotation ${annotations.stalePolicy} is not {"mode","after"}; treated as Keep: correct it`;
        faults.push({ clusterID, secret: name, fault });
      }
      wanted.set(clusterID, {
        clusterID,
        secret: name,
        ...(secret.metadata?.uid === undefined ? {} : { secretUID: secret.metadata.uid }),
        kubeconfig: Buffer.from(encoded, 'base64').toString('utf8'),
        ...trustDomainOf(secret),
        ...(policy === undefined || policy === 'unreadable' ? {} : { stalePolicy: policy }),
      });
    }
  }
  return { wanted, faults };
}

function olderFirst({ metadata: a = {} }: Secret, { metadata: b = {} }: Secret): number {
  const [first, second] = [a, b].map(({ creationTimestamp = '', name = '' }) => `${creationTimestamp} ${name}`);
  return compareText(first ?? '', second ?? '');
}

function trustDomainOf({ metadata }: Secret): Pick<WantedCluster, 'trustDomain'> {
  const trustDomain = metadata?.annotations?.[annotations.trustDomain];
  return trustDomain === undefined || trustDomain === '' ? {} : { trustDomain };
}

function stalePolicyOf({ metadata }: Secret): StalePolicy | 'unreadable' | undefined {
  const text = metadata?.annotations?.[annotations.stalePolicy];
  if (text === undefined) return undefined;
  const value = parsedJson(text);
  return isStalePolicy(value) ? value : 'unreadable';
}

/** What the API server has checked in the peer's resource; a hand-written annotation is looked at again. */
function isStalePolicy(value: unknown): value is StalePolicy {
  if (typeof value !== 'object' || value === null) return false;
  const { mode, after, overrides } = value as Readonly<Record<string, unknown>>;
  const isMode = staleModes.some((known) => known === mode);
  const hasTime = after === undefined || (typeof after === 'string' && /^(\d+h)?(\d+m)?(\d+s)?$/.test(after));
  const list: readonly unknown[] | undefined =
    overrides === undefined ? [] : Array.isArray(overrides) ? overrides : undefined;
  return isMode && hasTime && list !== undefined && list.every(isOverride);
}

function isOverride(value: unknown): boolean {
  const hosts: unknown = typeof value === 'object' && value !== null && 'hosts' in value ? value.hosts : undefined;
  return (
    Array.isArray(hosts) &&
    hosts.every((host) => typeof host === 'string') &&
    isStalePolicy({ ...(value as object), overrides: undefined })
  );
}
