import { createHash } from 'node:crypto';
import type { ConfigMap, EndpointSlice, KubernetesObject, Pod, Service } from '#istio-api';
import { annotations, compareText, isFields, labels, parsedJson } from '#model';
import { exportToAnnotation } from '../index/services.js';
import type { RegistryObjects } from './cluster-informers.js';

/** Whose registry it is: what was kept is shown for a remote Secret that says the same in every field, and for no other. */
export interface RegistryOwner {
  readonly clusterID: string;
  /** `namespace/name` of the remote Secret. */
  readonly secret: string;
  /** A Secret that was removed and made anew begins anew: trust was withdrawn in between. */
  readonly secretUID: string;
  /** Empty = ours. */
  readonly trustDomain: string;
}

/** What was last read of a cluster as a whole, and when it last answered (Unix ms). */
export interface KeptRegistry {
  readonly owner: RegistryOwner;
  readonly lastContact: number;
  readonly objects: RegistryObjects;
}

/** What the index of one cluster says: which parts make up the text, and what they must add up to. */
export interface KeptIndex {
  readonly version: 1;
  readonly owner: RegistryOwner;
  /** SHA-256 (hex) of the text. */
  readonly digest: string;
  /** In the names of the parts; no two writes have the same. */
  readonly generation: string;
  readonly parts: number;
  readonly lastContact: number;
}

export interface KeptLimits {
  readonly textBytes: number;
  readonly partBytes: number;
  readonly parts: number;
}

/** Kubernetes takes ConfigMaps of one MiB. The text is bounded too, since whoever reads it has it in memory at once. */
export const keptLimits: KeptLimits = { textBytes: 64 * 1024 * 1024, partBytes: 900 * 1024, parts: 16 };

const partKey = 'part.gz';

/** What models need of a registry, as text: the same for every replica that has read the same. */
export function registryText({ services, endpointSlices, pods, localities, networks }: RegistryObjects): string {
  return JSON.stringify({
    services: services.map(bare),
    endpointSlices: endpointSlices.map(bare),
    pods: pods.map(bare),
    localities: [...localities].sort(byName),
    networks: [...networks].sort(byName),
  });
}

/** Reads what `registryText` wrote; throws an error that names the field on anything else. */
export function registryIn(text: string): RegistryObjects {
  const value = parsedJson(text);
  if (!isFields(value)) throw new Error('what is kept is no JSON object');
  const listOf = <T>(field: string, isOne: (item: unknown) => boolean): readonly T[] => {
    const found = value[field];
    if (!Array.isArray(found) || !found.every(isOne)) throw new Error(`${field} is no list of what belongs there`);
    return found as T[];
  };
  return {
    services: listOf<Service>('services', isObject),
    endpointSlices: listOf<EndpointSlice>('endpointSlices', isObject),
    pods: listOf<Pod>('pods', isObject),
    localities: new Map(listOf<[string, string]>('localities', isPair)),
    networks: new Map(listOf<[string, string]>('networks', isPair)),
  };
}

/** What an API server answered with has a name and a namespace; the rest is as it checked it. */
function isObject(value: unknown): boolean {
  if (!isFields(value) || !isFields(value['metadata'])) return false;
  const { name, namespace } = value['metadata'];
  return typeof name === 'string' && typeof namespace === 'string';
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === 'string');
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The compressed text in pieces that a ConfigMap takes; as text why it is not kept when there would be too many. */
export function partsOf(packed: Buffer, { parts, partBytes }: KeptLimits = keptLimits): readonly Buffer[] | string {
  const count = Math.max(1, Math.ceil(packed.length / partBytes));
  if (count > parts) return `its registry takes ${packed.length} bytes compressed, more than ${parts * partBytes}`;
  return Array.from({ length: count }, (_unused, part) => packed.subarray(part * partBytes, (part + 1) * partBytes));
}

/** Name of the ConfigMap that says what is kept of a cluster: IDs may hold more than names of objects, and be longer. */
export function indexName(clusterID: string): string {
  const readable = clusterID
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40);
  return `isthmus-registry-${readable}-${digestOf(clusterID).slice(0, 8)}`;
}

export function partNames(index: KeptIndex): readonly string[] {
  const { owner, generation, parts } = index;
  return Array.from({ length: parts }, (_unused, part) => `${indexName(owner.clusterID)}-${generation}-${part + 1}`);
}

export function indexConfigMap(namespace: string, index: KeptIndex): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      namespace,
      name: indexName(index.owner.clusterID),
      labels: { [labels.managedBy]: labels.managedByValue, [labels.keptRegistry]: 'index' },
      annotations: { [annotations.keptRegistry]: JSON.stringify(index) },
    },
  };
}

/** What an index says, or why it cannot be read. */
export function indexIn({ metadata }: Pick<ConfigMap, 'metadata'>): KeptIndex | string {
  const field = `annotation ${annotations.keptRegistry}`;
  try {
    const index = JSON.parse(metadata?.annotations?.[annotations.keptRegistry] ?? '') as Partial<KeptIndex>;
    if (!isIndex(index)) return `${field} is not of this version`;
    return indexName(index.owner.clusterID) === metadata?.name ? index : `${field} is another cluster's`;
  } catch {
    return `${field} is no JSON`;
  }
}

function isIndex(index: Partial<KeptIndex>): index is KeptIndex {
  const { version, owner, digest, generation, parts = 0, lastContact } = index;
  const texts = [owner?.clusterID, owner?.secret, owner?.secretUID, owner?.trustDomain, digest, generation];
  const isCount = Number.isInteger(parts) && parts >= 1 && parts <= keptLimits.parts;
  return (
    version === 1 && texts.every((text) => typeof text === 'string') && isCount && Number.isSafeInteger(lastContact)
  );
}

export function partConfigMap(namespace: string, name: string, part: Buffer): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      namespace,
      name,
      labels: { [labels.managedBy]: labels.managedByValue, [labels.keptRegistry]: 'part' },
    },
    binaryData: { [partKey]: part.toString('base64') },
  };
}

/** The compressed text of these parts; undefined when one is missing. */
export function packedIn(parts: readonly (ConfigMap | undefined)[]): Buffer | undefined {
  const encoded = parts.map((part) => part?.binaryData?.[partKey]);
  if (encoded.some((part) => part === undefined)) return undefined;
  return Buffer.concat(encoded.map((part) => Buffer.from(part ?? '', 'base64')));
}

export function sameOwner(a: RegistryOwner, b: RegistryOwner): boolean {
  return (
    a.clusterID === b.clusterID &&
    a.secret === b.secret &&
    a.secretUID === b.secretUID &&
    a.trustDomain === b.trustDomain
  );
}

/** Versions, UIDs and most annotations say nothing to models: without them less is written, and less often. */
function bare({ metadata, apiVersion: _version, kind: _kind, ...rest }: KubernetesObject): object {
  const { namespace, name, generateName, creationTimestamp, labels: own, annotations: notes } = metadata ?? {};
  const exportTo = notes?.[exportToAnnotation];
  return {
    metadata: {
      namespace,
      name,
      generateName,
      creationTimestamp,
      labels: own,
      ...(exportTo === undefined ? {} : { annotations: { [exportToAnnotation]: exportTo } }),
    },
    ...rest,
  };
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return compareText(a, b);
}
