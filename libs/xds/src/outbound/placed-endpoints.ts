import { compareText, sortedBy } from '#model';
import type { LocalityDistribution, MeshEndpoint } from '../mesh-model.js';
import { distributionFor, type LocalityView, type Placement, rankOf, shareOf } from './locality.js';

/** Endpoints of one locality and priority. */
export interface EndpointGroup {
  readonly locality: string;
  /** 0 is tried first; without gaps. */
  readonly priority: number;
  readonly weight: number;
  readonly endpoints: readonly MeshEndpoint[];
}

export interface Placing {
  readonly placement: Placement;
  readonly view: LocalityView;
}

interface Ranked {
  readonly endpoint: MeshEndpoint;
  readonly rank: number;
}

/** Endpoints by priority and locality, sorted, as the proxy of a view is told them; without a placement all have one priority. */
export function placedEndpoints(endpoints: readonly MeshEndpoint[], placing?: Placing): readonly EndpointGroup[] {
  const ranked = endpoints.flatMap((endpoint): readonly Ranked[] => {
    const rank = placing === undefined ? 0 : rankOf(endpoint, placing.placement, placing.view);
    return rank === undefined ? [] : [{ endpoint, rank }];
  });
  const once = oncePerAddress(ranked);
  const ranks = [...new Set(once.map(({ rank }) => rank))].sort((a, b) => a - b);
  const byPlace = Map.groupBy(once, ({ endpoint, rank }) => `${rank} ${endpoint.locality}`);
  const groups = [...byPlace.values()].map((members): EndpointGroup => {
    const [{ endpoint, rank } = { endpoint: { locality: '' }, rank: 0 }] = members;
    const group = members.map((each) => each.endpoint);
    return { locality: endpoint.locality, priority: ranks.indexOf(rank), weight: sum(group), endpoints: group };
  });
  return weighed(groups, placing).toSorted((a, b) => a.priority - b.priority || compareText(a.locality, b.locality));
}

/**
 * Envoy keeps only the first of two equal addresses, wherever they stand, and a gateway stands for many endpoints: each address is
 * told once, in the nearest place it has, with all its weight.
 */
function oncePerAddress(ranked: readonly Ranked[]): readonly Ranked[] {
  const found = new Map<string, Ranked>();
  const order = ({ endpoint, rank }: Ranked): string =>
    `${String(rank).padStart(9, '0')} ${endpoint.locality} ${keyOf(endpoint)} ${endpoint.tlsMode} ${endpoint.workload ?? ''}`;
  for (const each of sortedBy(ranked, order)) {
    const key = keyOf(each.endpoint);
    const first = found.get(key);
    const weight = Math.max(1, each.endpoint.weight);
    const { endpoint, rank } = first ?? each;
    found.set(key, {
      rank,
      endpoint: { ...endpoint, weight: first === undefined ? weight : first.endpoint.weight + weight },
    });
  }
  return sortedBy([...found.values()], ({ endpoint }) => keyOf(endpoint));
}

function keyOf({ address, port }: MeshEndpoint): string {
  return `${address} ${port}`;
}

function sum(endpoints: readonly MeshEndpoint[]): number {
  return endpoints.reduce((total, { weight }) => total + weight, 0);
}

interface Share {
  readonly percent: number;
  /** Groups with one key divide the percent. */
  readonly key: string;
}

/**
 * Weights by `distribute`: the first priority by the proxy's own entry, each fallback by the entry for the fallback's locality, so that
 * a region that takes over is loaded as its own clients load it. What no entry speaks of keeps the weight of its endpoints.
 */
function weighed(groups: readonly EndpointGroup[], placing: Placing | undefined): readonly EndpointGroup[] {
  const distribute = placing?.placement.distribute;
  if (placing === undefined || distribute === undefined) return groups;
  const own = distributionFor(distribute, placing.view.locality);
  const shareBy = (
    entry: LocalityDistribution | undefined,
    { priority, locality }: EndpointGroup,
  ): Share | undefined => {
    const share = entry === undefined ? undefined : shareOf(entry, locality);
    return share === undefined ? undefined : { ...share, key: `${priority} ${entry?.from ?? ''} ${share.pattern}` };
  };
  const shares = groups.map(
    (group) => shareBy(own, group) ?? shareBy(distributionFor(distribute, group.locality), group),
  );
  const totals = new Map<string, number>();
  const weighedPriorities = new Set<number>();
  groups.forEach(({ priority, weight }, index) => {
    const share = shares[index];
    if (share === undefined) return;
    weighedPriorities.add(priority);
    totals.set(share.key, (totals.get(share.key) ?? 0) + weight);
  });
  return groups.map((group, index) => {
    const share = shares[index];
    if (share === undefined) return weighedPriorities.has(group.priority) ? { ...group, weight: 1 } : group;
    const total = totals.get(share.key) ?? group.weight;
    return { ...group, weight: Math.ceil((group.weight * share.percent) / total) };
  });
}
