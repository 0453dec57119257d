import { NotYet } from './fault.js';
import type { ConfigMapObject, Container, DownwardItem, Pod, ResourceSelector, SecretObject } from './pod-types.js';
import { inUnits } from './quantity.js';

/** What env variables and volumes of one pod are made from. */
export interface PodFacts {
  readonly pod: Pod;
  readonly podIp: string;
  readonly hostIp: string;
  /** Limits of a container without own limits: what the node offers. */
  readonly allocatable: Readonly<Record<string, string>>;
  /** Objects of the pod's namespace. */
  configMap(name: string): ConfigMapObject | undefined;
  secret(name: string): SecretObject | undefined;
}

/** Value of a fieldRef; labels and annotations as downward files write them. */
export function fieldValue(facts: PodFacts, fieldPath: string): string {
  const { metadata, spec } = facts.pod;
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (keyed !== null) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] ?? ''] ?? '';
  const simple: Readonly<Record<string, string>> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'metadata.labels': mapText(metadata.labels),
    'metadata.annotations': mapText(metadata.annotations),
    'spec.nodeName': spec.nodeName ?? '',
    'spec.serviceAccountName': spec.serviceAccountName ?? 'default',
    'status.hostIP': facts.hostIp,
    'status.hostIPs': facts.hostIp,
    'status.podIP': facts.podIp,
    'status.podIPs': facts.podIp,
  };
  const value = simple[fieldPath];
  if (value === undefined) throw configError(`fieldRef.fieldPath ${fieldPath} is not one the lab's node knows`);
  return value;
}

/** Lines `key="value"`, sorted, quotes and line ends escaped. */
function mapText(map: Readonly<Record<string, string>> = {}): string {
  const keys = Object.keys(map).sort();
  return keys.map((key) => `${key}=${JSON.stringify(map[key])}`).join('\n');
}

/** Value of a resourceFieldRef in units of its divisor. */
export function resourceValue(facts: PodFacts, selector: ResourceSelector, own?: Container): string {
  const { containers, initContainers = [] } = facts.pod.spec;
  const container =
    selector.containerName === undefined
      ? own
      : [...containers, ...initContainers].find(({ name }) => name === selector.containerName);
  const [scope = '', resource = ''] = selector.resource.split(/\.(.*)/);
  const { limits = {}, requests = {} } = container?.resources ?? {};
  const stated = scope === 'requests' ? (requests[resource] ?? '0') : (limits[resource] ?? facts.allocatable[resource]);
  return inUnits(stated ?? '0', selector.divisor);
}

export function downwardValue(facts: PodFacts, item: DownwardItem): string {
  if (item.fieldRef !== undefined) return fieldValue(facts, item.fieldRef.fieldPath);
  return item.resourceFieldRef === undefined ? '' : resourceValue(facts, item.resourceFieldRef);
}

export function configError(message: string): NotYet {
  return new NotYet('CreateContainerConfigError', message);
}
