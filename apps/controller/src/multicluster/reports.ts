import type { ConfigMap } from '#istio-api';
import { isFields, isText, parsedJson } from '#model';

/** What the way out last saw of one peer's API server. */
export interface ApiReach {
  readonly ok: boolean;
  readonly reason: string;
  readonly message: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** How far a replica of the mesh core has read one remote cluster. */
export interface RegistryReport {
  readonly synced: boolean;
  /** Unix milliseconds; 0 = never. */
  readonly lastContact: number;
  readonly services: number;
  /** Those that its stale policy has not withdrawn. */
  readonly endpoints: number;
  /** Services whose endpoints its stale policy has withdrawn; absent while none. */
  readonly withdrawnServices?: number;
  readonly error?: string;
  /** Ports of its Services that nobody here can call, in words. */
  readonly conflicts?: readonly string[];
}

/**
 * The reports of all living replicas about one cluster as one: synced when all are, the counts of the one that knows least. Undefined while
 * nobody has told. Unreadable entries are passed over: the next write mends them.
 */
export function registryReport(
  reports: ConfigMap | undefined,
  replicas: ReadonlySet<string>,
  clusterID: string,
): RegistryReport | undefined {
  const told = Object.entries(reports?.data ?? {})
    .filter(([replica]) => replicas.has(replica))
    .flatMap(([, text]) => reportOf(text, clusterID) ?? []);
  return told.reduce<RegistryReport | undefined>(
    (worst, report) => (worst === undefined || isWorse(report, worst) ? report : worst),
    undefined,
  );
}

function isWorse(a: RegistryReport, b: RegistryReport): boolean {
  if (a.synced !== b.synced) return !a.synced;
  const [ofA, ofB] = [a.withdrawnServices ?? 0, b.withdrawnServices ?? 0];
  if (ofA !== ofB) return ofA > ofB;
  if ((a.error === undefined) !== (b.error === undefined)) return a.error !== undefined;
  return a.services < b.services || (a.services === b.services && a.endpoints < b.endpoints);
}

function reportOf(text: string, clusterID: string): RegistryReport | undefined {
  const told = parsedJson(text);
  const clusters = isFields(told) ? told['clusters'] : undefined;
  const report = isFields(clusters) ? clusters[clusterID] : undefined;
  return isReport(report) ? report : undefined;
}

function isReport(value: unknown): value is RegistryReport {
  if (typeof value !== 'object' || value === null) return false;
  const { synced, lastContact, services, endpoints, error, conflicts } = value as Readonly<Record<string, unknown>>;
  const isGood = typeof synced === 'boolean' && [lastContact, services, endpoints].every(Number.isFinite);
  const isTold = error === undefined || typeof error === 'string';
  return isGood && isTold && (conflicts === undefined || (Array.isArray(conflicts) && conflicts.every(isText)));
}

/** Reads the way out's `/healthz/peers`; anything else than its own format is as good as no answer. */
export function apiReachesFrom(body: unknown): ReadonlyMap<string, ApiReach> {
  if (typeof body !== 'object' || body === null) return new Map();
  return new Map(Object.entries(body).filter((entry): entry is [string, ApiReach] => isReach(entry[1])));
}

function isReach(value: unknown): value is ApiReach {
  return (
    typeof value === 'object' &&
    value !== null &&
    'ok' in value &&
    typeof value.ok === 'boolean' &&
    'reason' in value &&
    typeof value.reason === 'string' &&
    'message' in value &&
    typeof value.message === 'string' &&
    'at' in value &&
    Number.isFinite(value.at)
  );
}
