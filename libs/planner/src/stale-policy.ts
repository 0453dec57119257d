import { durationMs } from '#crd';
import type { StaleMode, StalePolicy } from '#crd';
import { sortedUnique } from '#model';
import { hostAdmitted } from './host-pattern.js';

/** FailClosed without a time waits this long: a lost connection alone is not silence. */
const defaultFailClosedMs = 60_000;

export interface SilenceInput {
  /** `spec.stalePolicy`; absent = Keep. */
  readonly policy?: StalePolicy | undefined;
  /** Milliseconds since the peer last answered; 0 while it answers. */
  readonly silentMs: number;
  readonly hosts: readonly string[];
}

export interface SilenceVerdict {
  /** Hosts whose endpoints are withdrawn now, sorted. */
  readonly withdrawnHosts: readonly string[];
  /** True when trust in the peer is withdrawn too (FailClosed for the whole peer). */
  readonly trustWithdrawn: boolean;
  /** Milliseconds until the verdict changes if the silence lasts; absent = never. */
  readonly changesInMs?: number;
}

interface Rule {
  readonly mode: StaleMode;
  readonly after?: string | undefined;
}

/** What the peer's silence costs, host by host: the first override that names a host counts, else the policy itself. */
export function effectiveStalePolicy({ policy, silentMs, hosts }: SilenceInput): SilenceVerdict {
  const whole: Rule = policy ?? { mode: 'Keep' };
  const deadlines = new Map(hosts.map((host) => [host, deadlineMs(ruleFor(policy, host))]));
  const trustDeadline = whole.mode === 'FailClosed' ? deadlineMs(whole) : Number.POSITIVE_INFINITY;
  const ahead = [...deadlines.values(), trustDeadline].filter((ms) => ms > silentMs && Number.isFinite(ms));
  return {
    withdrawnHosts: sortedUnique(hosts.filter((host) => silentMs > 0 && silentMs >= (deadlines.get(host) ?? Infinity))),
    trustWithdrawn: silentMs > 0 && silentMs >= trustDeadline,
    ...(ahead.length === 0 ? {} : { changesInMs: Math.min(...ahead) - silentMs }),
  };
}

function ruleFor(policy: StalePolicy | undefined, host: string): Rule {
  return policy?.overrides?.find(({ hosts }) => hostAdmitted(hosts, host)) ?? policy ?? { mode: 'Keep' };
}

function deadlineMs({ mode, after }: Rule): number {
  if (mode === 'Keep') return Number.POSITIVE_INFINITY;
  return after === undefined ? defaultFailClosedMs : durationMs(after);
}
