import { isSidecar } from '../pod/pod-types.js';
import type { Container, PodSpec } from '../pod/pod-types.js';
import type { ContainerRecord } from './pod-record.js';

/** What probes say about a running container. */
export interface Health {
  readonly started: boolean;
  readonly ready: boolean;
}

export interface PodPicture {
  readonly spec: PodSpec;
  readonly containers: Readonly<Record<string, ContainerRecord>>;
  readonly health: ReadonlyMap<string, Health>;
  /** Unix ms. */
  readonly now: number;
}

/** What to do with a pod now. `stage` is what its phase follows from. */
export interface PodPlan {
  readonly stage: 'initializing' | 'running' | 'succeeded' | 'failed';
  /** Containers to start now, in this order. */
  readonly start: readonly string[];
  /** Unix ms at which to look again, when a pause before a restart ends. */
  readonly wakeAt?: number;
}

const firstPauseMs = 1000;
const longestPauseMs = 30_000;
/** A container that ran this long is taken for healthy: its next death is a first one again. */
export const steadyMs = 60_000;

/** Pause before the start after this many deaths in a row: none, 1 s, 2 s, 4 s … 30 s. */
export function restartPause(deaths: number): number {
  return deaths <= 1 ? 0 : Math.min(firstPauseMs * 2 ** (deaths - 2), longestPauseMs);
}

export function isRunning(record: ContainerRecord | undefined): boolean {
  return record !== undefined && record.ended === undefined;
}

/**
 * The next step of a pod's life (Kubernetes, "Pod Lifecycle" and "Sidecar Containers"): init containers one after the other,
 * each to its success, sidecars among them until started; then all others; then restarts by restartPolicy.
 */
export function planPod(picture: PodPicture): PodPlan {
  const { spec, containers } = picture;
  const begun = spec.containers.some(({ name }) => containers[name] !== undefined);
  const init = initPlan(picture, begun);
  if (init !== undefined && !begun) return init;
  const main = mainPlan(picture);
  if (main.stage !== 'running') return main;
  return { ...main, start: [...(init?.start ?? []), ...main.start], ...earliest(init?.wakeAt, main.wakeAt) };
}

/** Undefined when nothing of the init containers stands in the way. */
function initPlan(picture: PodPicture, begun: boolean): PodPlan | undefined {
  const { spec, containers, health } = picture;
  const start: string[] = [];
  let wakeAt: number | undefined;
  for (const container of spec.initContainers ?? []) {
    const record = containers[container.name];
    if (!isSidecar(container)) {
      if (begun || record?.ended?.exitCode === 0) continue;
      if (record?.ended !== undefined && spec.restartPolicy === 'Never') return { stage: 'failed', start: [] };
      return { stage: 'initializing', ...startOrWait(picture, container, start) };
    }
    const step = isRunning(record) ? { start: [] } : startOrWait(picture, container, []);
    start.push(...step.start);
    wakeAt = earliest(wakeAt, step.wakeAt).wakeAt;
    if (!begun && !(isRunning(record) && health.get(container.name)?.started === true)) {
      return { stage: 'initializing', start, ...earliest(wakeAt, undefined) };
    }
  }
  return start.length === 0 && wakeAt === undefined
    ? undefined
    : { stage: 'running', start, ...earliest(wakeAt, undefined) };
}

function mainPlan(picture: PodPicture): PodPlan {
  const { spec, containers } = picture;
  const policy = spec.restartPolicy ?? 'Always';
  const start: string[] = [];
  let wakeAt: number | undefined;
  let over = 0;
  let failed = 0;
  for (const container of spec.containers) {
    const ended = containers[container.name]?.ended;
    if (isRunning(containers[container.name])) continue;
    if (ended !== undefined && (policy === 'Never' || (policy === 'OnFailure' && ended.exitCode === 0))) {
      over += 1;
      failed += ended.exitCode === 0 ? 0 : 1;
      continue;
    }
    const step = startOrWait(picture, container, []);
    start.push(...step.start);
    wakeAt = earliest(wakeAt, step.wakeAt).wakeAt;
  }
  if (over === spec.containers.length) return { stage: failed === 0 ? 'succeeded' : 'failed', start: [] };
  return { stage: 'running', start, ...earliest(wakeAt, undefined) };
}

function startOrWait(
  { containers, now }: PodPicture,
  { name }: Container,
  before: readonly string[],
): { readonly start: readonly string[]; readonly wakeAt?: number } {
  const record = containers[name];
  if (isRunning(record)) return { start: before };
  const due = record?.ended === undefined ? now : Date.parse(record.ended.finishedAt) + restartPause(record.deaths);
  return due <= now ? { start: [...before, name] } : { start: before, wakeAt: due };
}

function earliest(a: number | undefined, b: number | undefined): { readonly wakeAt?: number } {
  const times = [a, b].filter((time) => time !== undefined);
  return times.length === 0 ? {} : { wakeAt: Math.min(...times) };
}
