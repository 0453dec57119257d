import { peerKey } from '#model';
import type { TrustedPeer } from '#model';
import type { AuditLog } from '#store';
import { TokenBuckets } from './auth/token-bucket.js';
import type { DoorMetrics } from './metrics.js';

/** Refusals of callers that proved nothing: a flood of them must not fill the log. */
const unidentifiedLimit = { perSecond: 10, burst: 100 };

export interface AuditedRequest {
  readonly peer: TrustedPeer | undefined;
  readonly action: string;
  readonly status: number;
  readonly detail: string | undefined;
  readonly sourceAddress: string | undefined;
}

/** Notes who fetched what with which result; never waits, never fails. */
export class Auditor {
  readonly #log: AuditLog;
  readonly #metrics: Pick<DoorMetrics, 'auditUnidentified'>;
  readonly #now: () => number;
  readonly #unidentified = new TokenBuckets(unidentifiedLimit);

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
      return;
    }
    const identity = peer === undefined ? {} : { peer: peerKey(peer), peerUUID: peer.clusterUUID };
    this.#log.append([{ at: new Date(now), ...identity, ...rest }]);
  }
}
