import { peerKey } from '#model';
import type { TrustedPeer } from '#model';
import type { AuditLog, AuditRow } from '#store';
import { TokenBuckets } from './auth/token-bucket.js';
import type { DoorMetrics } from './metrics.js';

/** Refusals of callers that proved nothing: a flood of them must not fill the log. */
const unidentifiedLimit = { perSecond: 10, burst: 100 };
/** What is beyond that limit is gathered for so long, then leaves one row for each status. */
export const summaryAfterMs = 5_000;
/** What the summing rows say in place of method and path. */
export const summaryAction = 'requests of nobody identified';

export interface AuditedRequest {
  readonly peer: TrustedPeer | undefined;
  readonly action: string;
  readonly status: number;
  readonly detail: string | undefined;
  readonly sourceAddress: string | undefined;
}

/** Requests of one status that leave one row together. */
interface Sum {
  readonly since: Date;
  readonly reasons: Map<string, number>;
  /** Undefined once they came from several addresses. */
  sourceAddress: string | undefined;
}

/** Notes who fetched what with which result; never waits, never fails. */
export class Auditor {
  readonly #log: AuditLog;
  readonly #metrics: Pick<DoorMetrics, 'auditUnidentified'>;
  readonly #now: () => number;
  readonly #unidentified = new TokenBuckets(unidentifiedLimit);
  readonly #sums = new Map<number, Sum>();
  #timer: NodeJS.Timeout | undefined;

  /** `now` in Unix milliseconds. */
  constructor(log: AuditLog, metrics: Pick<DoorMetrics, 'auditUnidentified'>, now: () => number) {
    this.#log = log;
    this.#metrics = metrics;
    this.#now = now;
  }

  note(request: AuditedRequest): void {
    const { peer, ...rest } = request;
    const now = this.#now();
    if (peer === undefined && this.#unidentified.take('all', now) > 0) {
      this.#metrics.auditUnidentified.inc();
      this.#gather(request, now);
      return;
    }
    const identity = peer === undefined ? {} : { peer: peerKey(peer), peerUUID: peer.clusterUUID };
    this.#log.append([{ at: new Date(now), ...identity, ...rest }]);
  }

  /** Writes the rows for what left none of its own so far. */
  sumUp(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const at = new Date(this.#now());
    const rows = [...this.#sums].map(([status, sum]): AuditRow => summaryRow(at, status, sum));
    this.#sums.clear();
    if (rows.length > 0) this.#log.append(rows);
  }

  #gather({ status, detail = 'no reason', sourceAddress }: AuditedRequest, now: number): void {
    const known = this.#sums.get(status);
    const sum = known ?? { since: new Date(now), reasons: new Map<string, number>(), sourceAddress };
    this.#sums.set(status, sum);
    sum.reasons.set(detail, (sum.reasons.get(detail) ?? 0) + 1);
    if (sum.sourceAddress !== sourceAddress) sum.sourceAddress = undefined;
    this.#timer ??= setTimeout(() => this.sumUp(), summaryAfterMs).unref();
  }
}

function summaryRow(at: Date, status: number, { since, reasons, sourceAddress }: Sum): AuditRow {
  const all = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  const each = [...reasons].map(([reason, count]) => `${reason} ${count}`).join(', ');
  const detail = `${all} more since ${since.toISOString()}: ${each}`;
  return { at, action: summaryAction, status, detail, sourceAddress };
}
