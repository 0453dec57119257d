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

/** Counts answers against a probe's thresholds, and says when to ask again. Times in ms of a monotonic clock. */
export class Pace {
  private readonly periodMs: number;
  private successes = 0;
  private failures = 0;
  private begunAt = 0;
  private countedAt = Number.NEGATIVE_INFINITY;
  private nextMs: number;

  constructor(
    private readonly probe: Probe,
    quick: boolean,
  ) {
    this.periodMs = (probe.periodSeconds ?? 10) * 1000;
    this.nextMs = quick ? quickMs : this.periodMs;
  }

  get pauseMs(): number {
    return Math.min(this.nextMs, this.periodMs);
  }

  begin(now: number): void {
    this.begunAt = now;
  }

  /** True when the threshold of successes is reached. */
  success(): boolean {
    this.successes += 1;
    this.failures = 0;
    this.nextMs = this.periodMs;
    return this.successes >= (this.probe.successThreshold ?? 1);
  }

  /** True when the threshold of failures is reached; quick questions count no more often than the period says. */
  failure(now: number): boolean {
    this.successes = 0;
    if (now - this.begunAt > quickForMs) this.nextMs *= growth;
    // A tenth of a period of tolerance: timers are late, never early.
    if (now - this.countedAt < this.periodMs * 0.9) return false;
    this.countedAt = now;
    this.failures += 1;
    return this.failures >= (this.probe.failureThreshold ?? 3);
  }
}

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
    const pace = new Pace(probe, quick);
    // What isn't in a hurry, liveness above all, is left alone for one period.
    await this.pause((probe.initialDelaySeconds ?? 0) * 1000 + (quick ? 0 : pace.pauseMs));
    pace.begin(performance.now());
    while (!this.stopping.signal.aborted) {
      const fault = await check(probe, this.target, (probe.timeoutSeconds ?? 1) * 1000);
      if (this.stopping.signal.aborted) return;
      const decided = fault === undefined ? pace.success() : pace.failure(performance.now());
      if (decided && !verdict(fault === undefined, fault ?? '')) return;
      await this.pause(pace.pauseMs);
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
