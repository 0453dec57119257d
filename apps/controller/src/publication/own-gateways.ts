import { REASONS } from '#crd';
import type { ConfigMap } from '#istio-api';
import { annotations, labels, names } from '#model';
import type { Finding, GatewayAddress } from '#model';
import { gatewayAddresses } from '#planner';
import type { GatewayFacts } from '#planner';
import { gatewayText, mostGatewaysTold, parseGatewayAddress, readGatewayWish } from '#protocol';
import { advanceToldGateways, gatewayReport, nextGatewayChangeMs, toldAddresses } from './told-gateways.js';
import type { GatewaySource, ToldGateway, ToldGateways } from './told-gateways.js';

/** What one pass looks at to say where our gateways are. */
export interface OwnGatewayFacts extends GatewayFacts {
  readonly now: number;
  readonly announceMs: number;
  readonly namespace: string;
  /** ConfigMap `isthmus-cluster`; while there is none, what was wished for stands. */
  readonly cluster: ConfigMap | undefined;
  /** ConfigMap `isthmus-gateways` as it is stored. */
  readonly stored: ConfigMap | undefined;
}

/** Addresses that peers are told, and what is kept of them. */
export interface OwnGateways {
  readonly addresses: readonly GatewayAddress[];
  readonly findings: readonly Finding[];
  /** What ConfigMap `isthmus-gateways` is to hold. */
  readonly kept?: ConfigMap;
  /** Milliseconds until time alone changes them. */
  readonly changesInMs?: number;
}

/** What peers are told of our gateways in this term as leader: a pass may come before the copy of the API shows what the last one wrote. */
export class GatewayBook {
  #told: ToldGateways | undefined;

  /** Where the told addresses stand now. */
  tell(facts: OwnGatewayFacts): OwnGateways {
    const { now, announceMs, cluster } = facts;
    const before = this.#told ?? storedGateways(facts.stored);
    const base = gatewayAddresses(facts);
    const request = cluster?.metadata?.annotations?.[annotations.gatewayAddresses] ?? '';
    const wish = request === '' ? undefined : readGatewayWish(request);
    const { source, wanted } = wantedBy(facts, { before, base: base.addresses, wish });
    const told = advanceToldGateways(before, { now, announceMs, source, wanted });
    this.#told = told;
    const addresses = toldAddresses(told).map(parseGatewayAddress);
    const fault = wish?.ok === false ? wish.fault : undefined;
    const changesInMs = nextGatewayChangeMs(told, now, announceMs);
    return {
      addresses,
      findings: addresses.length > 0 ? tooMany(wanted.length) : base.findings,
      ...(cluster === undefined
        ? {}
        : { kept: gatewaysConfigMap(facts.namespace, told, gatewayReport(told, { request, fault, announceMs })) }),
      ...(changesInMs === undefined ? {} : { changesInMs }),
    };
  }
}

interface Known {
  readonly before: ToldGateways | undefined;
  readonly base: readonly GatewayAddress[];
  readonly wish: ReturnType<typeof readGatewayWish> | undefined;
}

/** The annotation wins while it can be read; one that cannot, or that nobody can see now, leaves what it said before in force. */
function wantedBy(
  { cluster, override }: Pick<OwnGatewayFacts, 'cluster' | 'override'>,
  { before, base, wish }: Known,
): { readonly source: GatewaySource; readonly wanted: readonly string[] } {
  if (wish?.ok === true) return { source: 'annotation', wanted: wish.addresses };
  if (before?.source === 'annotation' && (cluster === undefined || wish !== undefined))
    return { source: 'annotation', wanted: before.wanted.map(({ address }) => address) };
  return { source: override.length > 0 ? 'values' : 'discovered', wanted: base.map(gatewayText) };
}

function tooMany(wanted: number): readonly Finding[] {
  if (wanted <= mostGatewaysTold) return [];
  const message = `${mostGatewaysTold} of ${wanted} addresses of our gateways are told, the first in order, so that old and new ones fit together into what peers read: name those to be told in gateway.addresses of the chart, or have one load balancer stand before the gateways`;
  return [{ reason: REASONS.TooManyGateways, message }];
}

function gatewaysConfigMap(namespace: string, told: ToldGateways, report: object): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: names.gatewaysConfigMap, labels: { [labels.managedBy]: labels.managedByValue } },
    data: { [names.gatewaysToldKey]: JSON.stringify(told), [names.gatewaysReportKey]: JSON.stringify(report) },
  };
}

/** Undefined where nothing was told yet, or what is there is not ours: then what is wanted now is all that is told. */
export function storedGateways(stored: ConfigMap | undefined): ToldGateways | undefined {
  try {
    const value = JSON.parse(stored?.data?.[names.gatewaysToldKey] ?? '') as Partial<ToldGateways> | null;
    const { source, wanted, leaving } = value ?? {};
    const known = source === 'annotation' || source === 'values' || source === 'discovered';
    return known && areTold(wanted) && areTold(leaving) ? { source, wanted, leaving } : undefined;
  } catch {
    return undefined;
  }
}

function areTold(list: unknown): list is readonly ToldGateway[] {
  return Array.isArray(list) && (list as readonly unknown[]).every(isTold);
}

function isTold(told: unknown): told is ToldGateway {
  if (typeof told !== 'object' || told === null || !('address' in told) || !('since' in told)) return false;
  return typeof told.address === 'string' && isOneAddress(told.address) && typeof told.since === 'number';
}

/** As the reader of what is told has it: one address, whether peers take it or not. */
function isOneAddress(text: string): boolean {
  try {
    return parseGatewayAddress(text).address !== '';
  } catch {
    return false;
  }
}
