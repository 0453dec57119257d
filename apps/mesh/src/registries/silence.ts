import type { StalePolicy } from '#crd';
import type { Clock } from '#model';
import { effectiveStalePolicy } from '#planner';

const nobody: ReadonlySet<string> = new Set();
const longestTimerMs = 2 ** 31 - 1;

/** Which hosts a cluster's silence has cost by its stale policy; calls back when that changes by time alone. */
export class Silence {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #verdict: NodeJS.Timeout | undefined;
  #withdrawn: ReadonlySet<string> = nobody;

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Hosts that have lost their endpoints; the same set until that changes. */
  get withdrawnHosts(): ReadonlySet<string> {
    return this.#withdrawn;
  }

  /** Of these hosts those whose endpoints are withdrawn; `since` is the last sign of life (Unix ms), undefined while it is not silent. */
  withdrawn(since: number | undefined, policy: StalePolicy | undefined, hosts: readonly string[]): ReadonlySet<string> {
    this.stop();
    if (since === undefined || policy === undefined) return (this.#withdrawn = nobody);
    const silentMs = Math.max(1, this.#clock.now() - since);
    const { withdrawnHosts, changesInMs } = effectiveStalePolicy({ policy, silentMs, hosts });
    if (changesInMs !== undefined)
      this.#verdict = setTimeout(this.#onChange, Math.min(changesInMs, longestTimerMs)).unref();
    const before = this.#withdrawn;
    const same = withdrawnHosts.length === before.size && withdrawnHosts.every((host) => before.has(host));
    return same ? before : (this.#withdrawn = new Set(withdrawnHosts));
  }

  stop(): void {
    clearTimeout(this.#verdict);
  }
}
