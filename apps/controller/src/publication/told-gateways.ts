import { annotations } from '#model';
import { limits, mostGatewaysTold } from '#protocol';

/** Who says which addresses these are: an operator's annotation, the chart's values, or what the gateway's Service shows. */
export type GatewaySource = 'annotation' | 'values' | 'discovered';

/** One address, `host:port`, and since when peers are told of it, Unix milliseconds. */
export interface ToldGateway {
  readonly address: string;
  readonly since: number;
}

/** What peers are told of our gateways, as ConfigMap `isthmus-gateways` keeps it. */
export interface ToldGateways {
  readonly source: GatewaySource;
  readonly wanted: readonly ToldGateway[];
  /** No longer wanted, told until peers have heard of one that is. */
  readonly leaving: readonly ToldGateway[];
}

export interface ToldGatewaysFacts {
  readonly now: number;
  /** How long an address is told before the ones it replaces are left out, milliseconds. */
  readonly announceMs: number;
  readonly source: GatewaySource;
  /** Sorted, without repeats; the first 32 are told. */
  readonly wanted: readonly string[];
}

/**
 * What is told after one look: what is wanted, at once; beside it what was told before, until one of the wanted has been told long enough for
 * peers to have heard of it (trust rule 14). What discovery alone finds and loses again is gone at once, as nothing answers there. The same
 * state returned = nothing to do. Pure.
 */
export function advanceToldGateways(state: ToldGateways | undefined, facts: ToldGatewaysFacts): ToldGateways {
  const { now, announceMs, source } = facts;
  const before = state === undefined ? [] : [...state.wanted, ...state.leaving];
  const since = new Map(before.map((told) => [told.address, told.since]));
  const wanted = facts.wanted
    .slice(0, mostGatewaysTold)
    .map((address) => ({ address, since: since.get(address) ?? now }));
  const isWanted = new Set(wanted.map(({ address }) => address));
  const isGone = source === 'discovered' && state?.source === 'discovered';
  const known = wanted.some((told) => told.since + announceMs <= now);
  const leaving = (known ? [] : [...(isGone ? [] : (state?.wanted ?? [])), ...(state?.leaving ?? [])])
    .filter(({ address }) => !isWanted.has(address))
    .slice(0, limits.gateways - wanted.length);
  const next = { source, wanted, leaving };
  return state !== undefined && JSON.stringify(next) === JSON.stringify(state) ? state : next;
}

/** All of them, sorted. */
export function toldAddresses({ wanted, leaving }: ToldGateways): readonly string[] {
  return addressesOf([...wanted, ...leaving]);
}

/** Milliseconds until time alone changes it; undefined when nothing is under way. */
export function nextGatewayChangeMs(
  { wanted, leaving }: ToldGateways,
  now: number,
  announceMs: number,
): number | undefined {
  if (leaving.length === 0 || wanted.length === 0) return undefined;
  return Math.max(0, Math.min(...wanted.map(({ since }) => since)) + announceMs - now);
}

/** How a change of addresses stands, in words for the operator. */
export interface GatewayReport {
  readonly phase: 'announced' | 'in use' | 'refused';
  /** The annotation's text that this is about; empty where there is none. */
  readonly request: string;
  readonly message: string;
  readonly nextChangeAt?: string;
}

const sources: Readonly<Record<GatewaySource, string>> = {
  annotation: `annotation ${annotations.gatewayAddresses}`,
  values: 'gateway.addresses of the chart',
  discovered: 'discovered',
};

export function gatewayReport(
  state: ToldGateways,
  {
    request,
    fault,
    announceMs,
  }: { readonly request: string; readonly fault?: string | undefined; readonly announceMs: number },
): GatewayReport {
  const { wanted, leaving, source } = state;
  const told = wanted.length === 0 ? 'no address' : addressesOf(wanted).join(', ');
  const message = `peers are told ${told} (${sources[source]})`;
  if (fault !== undefined) return { phase: 'refused', request, message: `${fault}; until then ${message}` };
  if (leaving.length === 0) return { phase: 'in use', request, message };
  const beside = addressesOf(leaving).join(', ');
  // A moment, not a wait: the report changes with what it tells, not with each look.
  const next = nextGatewayChangeMs(state, 0, announceMs);
  if (next === undefined)
    return { phase: 'announced', request, message: `${message}; while there is none, ${beside} as before` };
  return {
    phase: 'announced',
    request,
    message: `${message} and beside it ${beside}, until they have heard: let both answer`,
    nextChangeAt: new Date(next).toISOString(),
  };
}

function addressesOf(told: readonly ToldGateway[]): readonly string[] {
  return told.map(({ address }) => address).sort();
}
