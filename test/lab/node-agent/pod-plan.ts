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
  return { ...main, start: [...(init?.start ?? []), ...main.start], ...earliest([init?.wakeAt, main.wakeAt]) };
}

/** Undefined when nothing of the init containers stands in the way. */
function initPlan(picture: PodPicture, begun: boolean): PodPlan | undefined {
  const start: string[] = [];
  const times: (number | undefined)[] = [];
  for (const container of picture.spec.initContainers ?? []) {
    const step = isSidecar(container) ? sidecarStep(picture, container, begun) : initStep(picture, container, begun);
    if (step === 'failed') return { stage: 'failed', start: [] };
    start.push(...step.start);
    times.push(step.wakeAt);
    if (step.blocks) return { stage: 'initializing', start, ...earliest(times) };
  }
  const nothing = start.length === 0 && times.every((time) => time === undefined);
  return nothing ? undefined : { stage: 'running', start, ...earliest(times) };
}

interface InitStep extends Start {
  /** What comes after it has to wait. */
  readonly blocks: boolean;
}

function initStep(picture: PodPicture, container: Container, begun: boolean): InitStep | 'failed' {
  const record = picture.containers[container.name];
  if (begun || record?.ended?.exitCode === 0) return { start: [], blocks: false };
  if (record?.ended !== undefined && picture.spec.restartPolicy === 'Never') return 'failed';
  return { ...startOrWait(picture, container), blocks: true };
}

function sidecarStep(picture: PodPicture, container: Container, begun: boolean): InitStep {
  const running = isRunning(picture.containers[container.name]);
  const up = running && picture.health.get(container.name)?.started === true;
  return { ...startOrWait(picture, container), blocks: !begun && !up };
}

function mainPlan(picture: PodPicture): PodPlan {
  const { spec, containers } = picture;
  const policy = spec.restartPolicy ?? 'Always';
  const steps: Start[] = [];
  const codes: number[] = [];
  for (const container of spec.containers) {
    const ended = containers[container.name]?.ended;
    const done = ended !== undefined && (policy === 'Never' || (policy === 'OnFailure' && ended.exitCode === 0));
    if (done) codes.push(ended.exitCode);
    else steps.push(startOrWait(picture, container));
  }
  if (steps.length === 0) return { stage: codes.every((code) => code === 0) ? 'succeeded' : 'failed', start: [] };
  return {
    stage: 'running',
    start: steps.flatMap(({ start }) => start),
    ...earliest(steps.map(({ wakeAt }) => wakeAt)),
  };
}

interface Start {
  readonly start: readonly string[];
  readonly wakeAt?: number;
}

/** Nothing for a container that runs, its start when that is due, else the time at which it will be. */
function startOrWait({ containers, now }: PodPicture, { name }: Container): Start {
  const record = containers[name];
  if (isRunning(record)) return { start: [] };
  const due = record?.ended === undefined ? now : Date.parse(record.ended.finishedAt) + restartPause(record.deaths);
  return due <= now ? { start: [name] } : { start: [], wakeAt: due };
}

function earliest(times: readonly (number | undefined)[]): { readonly wakeAt?: number } {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? {} : { wakeAt: Math.min(...known) };
}
