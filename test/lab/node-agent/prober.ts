import type { Container, Probe } from '../pod/pod-types.js';
import { check } from './probe-check.js';
import type { ProbeTarget } from './probe-check.js';
import type { Health } from './pod-plan.js';

export interface ProberEvents {
  health(health: Health): void;
  /** The startup or liveness probe has failed for good. */
  unhealthy(reason: string): void;
}

const quickMs = 100;
/** How long a container that was just started is asked every 100 ms; after that the pause grows to the probe's period. */
const quickForMs = 3000;
const growth = 1.3;

/** Probes one running container: startup first, then readiness and liveness at their periods. */
export class Prober {
  private readonly stopping = new AbortController();
  private current: Health;

  constructor(
    private readonly container: Container,
    private readonly target: ProbeTarget,
    private readonly events: ProberEvents,
    known?: Health,
  ) {
    const { startupProbe, readinessProbe } = container;
    this.current = known ?? {
      started: startupProbe === undefined,
      ready: (startupProbe ?? readinessProbe) === undefined,
    };
  }

  get health(): Health {
    return this.current;
  }

  start(): void {
    const { startupProbe } = this.container;
    if (startupProbe === undefined || this.current.started) {
      this.afterStartup();
      return;
    }
    void this.follow(startupProbe, true, (success, reason) => {
      if (!success) {
        this.events.unhealthy(`startup probe failed: ${reason}`);
        return false;
      }
      this.set({ started: true, ready: this.container.readinessProbe === undefined });
      this.afterStartup();
      return false;
    });
  }

  stop(): void {
    this.stopping.abort();
  }

  private afterStartup(): void {
    const { readinessProbe, livenessProbe } = this.container;
    if (readinessProbe !== undefined) {
      void this.follow(readinessProbe, !this.current.ready, (ready) => {
        this.set({ started: true, ready });
        return true;
      });
    }
    if (livenessProbe !== undefined) {
      void this.follow(livenessProbe, false, (success, reason) => {
        if (!success) this.events.unhealthy(`liveness probe failed: ${reason}`);
        return success;
      });
    }
  }

  private set(health: Health): void {
    if (health.ready === this.current.ready && health.started === this.current.started) return;
    this.current = health;
    if (!this.stopping.signal.aborted) this.events.health(health);
  }

  /**
   * Asks again and again and tells each verdict, that is when one of the two thresholds is reached, until told to stop.
   * Quick questions before the first success count as failures no more often than the period says.
   */
  private async follow(
    probe: Probe,
    quick: boolean,
    verdict: (success: boolean, reason: string) => boolean,
  ): Promise<void> {
    const { initialDelaySeconds = 0, successThreshold = 1, failureThreshold = 3 } = probe;
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    await this.pause(initialDelaySeconds * 1000);
    const began = performance.now();
    let [successes, failures, countedAt, quickPause] = [0, 0, Number.NEGATIVE_INFINITY, quick ? quickMs : periodMs];
    while (!this.stopping.signal.aborted) {
      const fault = await check(probe, this.target, timeoutMs);
      if (this.stopping.signal.aborted) return;
      const now = performance.now();
      if (fault === undefined) {
        [successes, failures, quickPause] = [successes + 1, 0, periodMs];
        if (successes >= successThreshold && !verdict(true, '')) return;
      } else {
        successes = 0;
        // A tenth of a period of tolerance: timers are late, never early.
        const counts = now - countedAt >= periodMs * 0.9;
        if (counts) [failures, countedAt] = [failures + 1, now];
        if (counts && failures >= failureThreshold && !verdict(false, fault)) return;
        if (now - began > quickForMs) quickPause = Math.min(quickPause * growth, periodMs);
      }
      await this.pause(Math.min(quickPause, periodMs));
    }
  }

  private pause(milliseconds: number): Promise<void> {
    const { signal } = this.stopping;
    return new Promise((resolve) => {
      const stop = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      }, milliseconds);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  }
}
