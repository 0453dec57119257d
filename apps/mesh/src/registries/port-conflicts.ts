import type { Service } from '#istio-api';
import { compareText } from '#model';
import { ownAffair } from './merged-services.js';

/** So many are told of one cluster; a last line counts the rest. */
const mostTold = 20;

export interface ClusterServices {
  readonly clusterID: string;
  readonly services: readonly Service[];
}

/**
 * Ports of Services in other clusters that nobody here can call, since the Service of the same name that counts (our own, else that of the first
 * cluster by ID: `MergedServices`) does not have them. By cluster ID, in words; clusters without any are left out.
 */
export function portConflicts(
  own: readonly Service[],
  remotes: readonly ClusterServices[],
  ownNamespaces: Iterable<string>,
): ReadonlyMap<string, readonly string[]> {
  const counts = new Map(own.map((service) => [nameOf(service), { service, where: 'here' }]));
  const isOwn = ownAffair(ownNamespaces);
  const told = new Map<string, readonly string[]>();
  for (const { clusterID, services } of [...remotes].sort((a, b) => compareText(a.clusterID, b.clusterID))) {
    const lines: string[] = [];
    for (const service of services) {
      if (isOwn(service.metadata ?? {})) continue;
      const name = nameOf(service);
      const first = counts.get(name);
      if (first === undefined) counts.set(name, { service, where: `in ${clusterID}` });
      else lines.push(...differences(name, service, first));
    }
    if (lines.length > 0) told.set(clusterID, bounded(lines));
  }
  return told;
}

function differences(
  name: string,
  service: Service,
  first: { readonly service: Service; readonly where: string },
): readonly string[] {
  const known = numbersOf(first.service);
  const missing = numbersOf(service).filter((number) => !known.includes(number));
  if (missing.length === 0) return [];
  const had = known.length === 0 ? 'no ports' : known.join(', ');
  return [
    `Service ${name}: ${missing.join(', ')} there, ${had} ${first.where}, which counts: its pods there are not called on ${missing.length === 1 ? 'that port' : 'those ports'}; give the Services the same ports`,
  ];
}

function numbersOf({ spec }: Service): readonly number[] {
  return (spec?.ports ?? []).flatMap(({ port, protocol = 'TCP' }) => (protocol === 'TCP' ? [port] : []));
}

function nameOf({ metadata }: Service): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

function bounded(lines: readonly string[]): readonly string[] {
  const sorted = [...lines].sort();
  return sorted.length <= mostTold
    ? sorted
    : [...sorted.slice(0, mostTold), `${sorted.length - mostTold} more Services differ in ports`];
}
