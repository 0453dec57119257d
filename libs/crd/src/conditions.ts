import type { PeerKind } from '#model';

/** `positive`: True is good; `negative`: True is bad (the condition names a defect). */
export type Polarity = 'positive' | 'negative';

export interface ConditionRule {
  readonly type: string;
  readonly polarity: Polarity;
  /** Counted into `Ready`. A condition that is absent is never counted. */
  readonly summarised: boolean;
  /** What it tells, one line, for docs/spec. */
  readonly tells: string;
}

/** Every condition of one kind that we own; order = importance: the first bad one explains `Ready`. */
export type ConditionTable = readonly ConditionRule[];

/** The condition that sums up the others. */
export const readyCondition = 'Ready';

const summed = (type: string, tells: string): ConditionRule => ({
  type,
  polarity: 'positive',
  summarised: true,
  tells,
});

const trustUnscoped: ConditionRule = {
  type: 'TrustUnscoped',
  polarity: 'negative',
  summarised: false,
  tells: 'a stock istiod serves the proxies, which pools all roots: a peer could mint identities of any trust domain',
};

const common: ConditionTable = [
  summed('TrustEstablished', "the peer's identity, roots and signing keys are known and accepted"),
  summed('MetadataSynced', 'the last fetch of its documents succeeded'),
];

const dataPlane: ConditionTable = [
  summed('GatewaysReachable', 'a TCP connection to its gateways succeeds; never stops an import'),
  summed('DataPlaneHealthy', 'calls through the mesh succeed; absent until probed'),
];

const tables: Readonly<Record<PeerKind, ConditionTable>> = {
  IstioFederation: [
    ...common,
    summed('ServicesImported', 'its services stand in this cluster as written'),
    summed('ServicesExported', 'all that can be offered is; what is amiss with single Services is its reason'),
    ...dataPlane,
    trustUnscoped,
  ],
  IstioMulticluster: [
    ...common,
    summed('ApiAccessible', "the peer's API answers through the way out"),
    summed('RegistrySynced', 'the mesh core has read its services and endpoints'),
    ...dataPlane,
    trustUnscoped,
  ],
};

/** Conditions of a kind that we own, without `Ready`, most important first. */
export function conditionTableOf(kind: PeerKind): ConditionTable {
  return tables[kind];
}
