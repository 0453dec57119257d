import { compareText } from '#model';
import type {
  LocalityDistribution,
  LocalityPolicy,
  MeshEndpoint,
  MeshService,
  RegionFailover,
  TrafficPolicy,
} from '../mesh-model.js';

/** How localities count for one cluster: which fall back on which, and with what weights. */
export interface Placement {
  /** Absent: all localities are equal, no one is a fallback. */
  readonly failover?: readonly RegionFailover[];
  readonly failoverPriority?: readonly string[];
  readonly distribute?: readonly LocalityDistribution[];
}

/** Where the asking proxy stands. */
export interface LocalityView {
  /** `region/zone/subzone`, or empty. */
  readonly locality: string;
  readonly network: string;
  readonly clusterID: string;
  /** Its own labels, as far as some failoverPriority names them. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Istio's rule: localities count once there is outlier detection, since Envoy otherwise never notices that it should fall back. Ours
 * beside it: a service that other clusters have too is always failed over, with outlier detection of our own.
 */
export function placementOf(
  service: Pick<MeshService, 'remoteClusters'>,
  { locality = {}, outlierDetection }: Pick<TrafficPolicy, 'locality' | 'outlierDetection'>,
): Placement | undefined {
  if (locality.enabled === false) return undefined;
  if (locality.distribute !== undefined && locality.distribute.length > 0) return distributing(locality);
  if (outlierDetection === undefined && service.remoteClusters === undefined) return undefined;
  const { failover = [], failoverPriority = [] } = locality;
  return { failover, ...(failoverPriority.length === 0 ? {} : { failoverPriority }) };
}

function distributing({ distribute = [], distributeFailover }: LocalityPolicy): Placement {
  return distributeFailover === undefined ? { distribute } : { distribute, failover: distributeFailover };
}

/** Label names that a placement asks the proxy and the endpoints for. */
export function labelNamesOf({ failoverPriority = [] }: Pick<LocalityPolicy, 'failoverPriority'>): readonly string[] {
  return failoverPriority.map((entry) => nameAndValue(entry)[0]);
}

/**
 * How far an endpoint is from the proxy: 0 is the nearest, equal ranks are equal. Undefined when it gets no traffic at all: `distribute`
 * has an entry for the proxy's locality, the endpoint is not in it, and there is no failover beside it.
 */
export function rankOf(endpoint: MeshEndpoint, placement: Placement, view: LocalityView): number | undefined {
  const { distribute, failover } = placement;
  if (distribute === undefined) return failover === undefined ? 0 : failoverRank(endpoint, placement, view);
  const entry = distributionFor(distribute, view.locality);
  if (entry !== undefined && shareOf(entry, endpoint.locality) !== undefined) return 0;
  if (failover === undefined) return entry === undefined ? 0 : undefined;
  return 1 + failoverRank(endpoint, placement, view);
}

/** The first entry that is for a locality. */
export function distributionFor(
  distribute: readonly LocalityDistribution[],
  locality: string,
): LocalityDistribution | undefined {
  return distribute.find(({ from }) => localityMatches(from, locality));
}

/** The pattern of an entry's `to` that a locality falls under, the most exact first, with its percent. */
export function shareOf(
  { to }: LocalityDistribution,
  locality: string,
): { readonly pattern: string; readonly percent: number } | undefined {
  const wildness = (pattern: string): number => 3 - pattern.split('/').filter((part) => part !== '*').length;
  const [found] = Object.entries(to)
    .filter(([pattern, percent]) => percent > 0 && localityMatches(pattern, locality))
    .sort(([a], [b]) => wildness(a) - wildness(b) || compareText(a, b));
  return found === undefined ? undefined : { pattern: found[0], percent: found[1] };
}

/** `region/zone/subzone` against a pattern whose parts may be `*`; missing parts match anything. */
export function localityMatches(pattern: string, locality: string): boolean {
  const parts = locality.split('/');
  return pattern
    .split('/')
    .every((wanted, index) => wanted === '*' || (wanted === '' && index > 0) || wanted === (parts[index] ?? ''));
}

/** More than there are ranks by locality, so that labels come first. */
const labelStep = 1000;

function failoverRank(endpoint: MeshEndpoint, placement: Placement, view: LocalityView): number {
  const { failover = [], failoverPriority } = placement;
  if (failoverPriority === undefined) return localityRank(endpoint, failover, view);
  const byLabel = labelRank(endpoint, failoverPriority, view) * labelStep;
  return failover.length === 0 ? byLabel : byLabel + localityRank(endpoint, failover, view);
}

/**
 * 0 same subzone, 1 same zone, 2 same region, then other regions: those that `failover` names for ours in their order, then the rest.
 * Where one side's locality is not known, the own cluster counts as the same region and another cluster as another one.
 */
function localityRank(endpoint: MeshEndpoint, failover: readonly RegionFailover[], view: LocalityView): number {
  const [region = '', zone = '', subzone = ''] = view.locality.split('/');
  const [itsRegion = '', itsZone = '', itsSubzone = ''] = endpoint.locality.split('/');
  if (region === '' || itsRegion === '') return endpoint.cluster === undefined ? 2 : 3;
  if (region === itsRegion) {
    if (zone !== itsZone) return 2;
    return subzone === itsSubzone ? 0 : 1;
  }
  const next = failover.filter(({ from }) => from === region).map(({ to }) => to);
  const place = next.indexOf(itsRegion);
  return 3 + (place < 0 ? next.length : place);
}

/** The number of labels from the first that differs on: fewer is nearer (Istio's failoverPriority). */
function labelRank(endpoint: MeshEndpoint, failoverPriority: readonly string[], view: LocalityView): number {
  const differs = failoverPriority.findIndex((entry) => {
    const [name, value] = nameAndValue(entry);
    return (value ?? ownLabel(name, view)) !== endpointLabel(name, endpoint, view.clusterID);
  });
  return differs < 0 ? 0 : failoverPriority.length - differs;
}

function nameAndValue(entry: string): readonly [name: string, value: string | undefined] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, undefined] : [entry.slice(0, at), entry.slice(at + 1)];
}

const localityParts: readonly string[] = [
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
];

function ownLabel(name: string, { locality, network, clusterID, labels }: LocalityView): string {
  return topologyLabel(name, { locality, network, cluster: clusterID }) ?? labels[name] ?? '';
}

function endpointLabel(name: string, { locality, network, cluster, labels }: MeshEndpoint, ownID: string): string {
  return topologyLabel(name, { locality, network, cluster: cluster ?? ownID }) ?? labels?.[name] ?? '';
}

interface Topology {
  readonly locality: string;
  readonly network: string;
  readonly cluster: string;
}

/** Labels that pods need not carry: they follow from where they are. */
function topologyLabel(name: string, { locality, network, cluster }: Topology): string | undefined {
  if (name === 'topology.istio.io/network') return network;
  if (name === 'topology.istio.io/cluster') return cluster;
  const part = localityParts.indexOf(name);
  return part < 0 ? undefined : (locality.split('/')[part] ?? '');
}
