import { describe, expect, it } from '@jest/globals';
import type { Container, Pod, PodSpec } from '../pod/pod-types.js';
import { planPod, restartPause } from './pod-plan.js';
import type { Health, PodPlan } from './pod-plan.js';
import type { ContainerRecord } from './pod-record.js';
import { podStatus } from './pod-status.js';
import { Pace } from './prober.js';

const now = Date.parse('2026-01-01T00:01:00Z');
const process = { pid: 7, ticks: 1 };

const running: ContainerRecord = {
  attempt: 0,
  id: 'u.c.0',
  process,
  deaths: 0,
  prefix: [],
  startedAt: '2026-01-01T00:00:00.000Z',
};

/** Ended so many seconds ago. */
function ended(exitCode: number, secondsAgo = 0, deaths = 1): ContainerRecord {
  const finishedAt = new Date(now - secondsAgo * 1000).toISOString();
  const end = { exitCode, reason: 'x', startedAt: finishedAt, finishedAt, containerID: 'process://u.c.0' };
  return { ...running, deaths, ended: end };
}

const app: Container = { name: 'app' };
const init: Container = { name: 'init' };
const sidecar: Container = { name: 'side', restartPolicy: 'Always' };
const up: Health = { started: true, ready: true };

function plan(
  spec: Partial<PodSpec>,
  containers: Readonly<Record<string, ContainerRecord>>,
  health: Readonly<Record<string, Health>> = {},
): PodPlan {
  const whole = { containers: [app], ...spec };
  return planPod({ spec: whole, containers, health: new Map(Object.entries(health)), now });
}

describe('plan of a pod', () => {
  it.each<[string, Partial<PodSpec>, Record<string, ContainerRecord>, Record<string, Health>, PodPlan]>([
    ['starts all', {}, {}, {}, { stage: 'running', start: ['app'] }],
    ['lets it run', {}, { app: running }, {}, { stage: 'running', start: [] }],
    ['starts the init container first', { initContainers: [init] }, {}, {}, { stage: 'initializing', start: ['init'] }],
    ['waits for it', { initContainers: [init] }, { init: running }, {}, { stage: 'initializing', start: [] }],
    ['goes on after it', { initContainers: [init] }, { init: ended(0) }, {}, { stage: 'running', start: ['app'] }],
    ['tries it again', { initContainers: [init] }, { init: ended(1) }, {}, { stage: 'initializing', start: ['init'] }],
    [
      'gives up',
      { initContainers: [init], restartPolicy: 'Never' },
      { init: ended(1) },
      {},
      { stage: 'failed', start: [] },
    ],
    ['waits for a sidecar', { initContainers: [sidecar] }, { side: running }, {}, { stage: 'initializing', start: [] }],
    [
      'goes on beside it',
      { initContainers: [sidecar] },
      { side: running },
      { side: up },
      { stage: 'running', start: ['app'] },
    ],
    [
      'restarts a sidecar beside the app',
      { initContainers: [sidecar] },
      { side: ended(1), app: running },
      {},
      { stage: 'running', start: ['side'] },
    ],
    ['restarts at once', {}, { app: ended(1) }, {}, { stage: 'running', start: ['app'] }],
    ['restarts later', {}, { app: ended(0, 0.5, 2) }, {}, { stage: 'running', start: [], wakeAt: now + 500 }],
    ['restarts in time', {}, { app: ended(0, 1, 2) }, {}, { stage: 'running', start: ['app'] }],
    ['is done', { restartPolicy: 'OnFailure' }, { app: ended(0) }, {}, { stage: 'succeeded', start: [] }],
    [
      'tries a failure again',
      { restartPolicy: 'OnFailure' },
      { app: ended(2) },
      {},
      { stage: 'running', start: ['app'] },
    ],
    ['has failed', { restartPolicy: 'Never' }, { app: ended(2) }, {}, { stage: 'failed', start: [] }],
    [
      'is not done before all are',
      { restartPolicy: 'Never', containers: [app, { name: 'two' }] },
      { app: ended(0), two: running },
      {},
      { stage: 'running', start: [] },
    ],
    [
      'is done in spite of its sidecar',
      { restartPolicy: 'Never', initContainers: [sidecar] },
      { side: running, app: ended(0) },
      { side: up },
      { stage: 'succeeded', start: [] },
    ],
  ])('%s', (_title, spec, containers, health, wanted) => {
    expect(plan(spec, containers, health)).toEqual(wanted);
  });

  it('pauses ever longer between deaths', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 20].map(restartPause)).toEqual([
      0, 0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
  });
});

describe('status of a pod', () => {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers: [app], initContainers: [sidecar] },
  };
  const status = (
    containers: Readonly<Record<string, ContainerRecord>>,
    stage: PodPlan['stage'],
    health: Readonly<Record<string, Health>> = {},
    published: readonly { type: string; status: string; lastTransitionTime: string }[] = [],
  ): ReturnType<typeof podStatus> =>
    podStatus({
      pod,
      stage,
      published,
      health: new Map(Object.entries(health)),
      waiting: new Map(),
      hostIp: '10.10.1.2',
      now: '2026-01-01T00:01:00.000Z',
      record: {
        uid: 'u',
        namespace: 'n',
        name: 'p',
        podIp: '10.244.0.7',
        startTime: '2026-01-01T00:00:00.000Z',
        containers,
        mainContainer: 'app',
        ready: false,
      },
    });
  const conditions = (of: ReturnType<typeof podStatus>): Readonly<Record<string, string>> =>
    Object.fromEntries((of.conditions ?? []).map(({ type, status: value }) => [type, value]));

  it('is pending while it initializes', () => {
    const now_ = status({ side: running }, 'initializing');
    expect(now_.phase).toBe('Pending');
    expect(now_.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(conditions(now_)).toMatchObject({ Initialized: 'False', Ready: 'False' });
  });

  it('is running and ready when all of its containers are, sidecars too', () => {
    const containers = { side: running, app: running };
    expect(conditions(status(containers, 'running', { side: up, app: up }))).toMatchObject({ Ready: 'True' });
    const half = status(containers, 'running', { app: up, side: { started: true, ready: false } });
    expect(half.phase).toBe('Running');
    expect(half.conditions?.find(({ type }) => type === 'Ready')?.message).toBe(
      'containers with unready status: [side]',
    );
  });

  it('shows a crash as waiting with the end as last state', () => {
    const [app_] = status({ side: running, app: { ...ended(4), attempt: 2 } }, 'running').containerStatuses ?? [];
    expect(app_).toMatchObject({
      restartCount: 2,
      ready: false,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 4 } },
    });
  });

  it('keeps the time of a condition that stays', () => {
    const old = [{ type: 'Ready', status: 'True', lastTransitionTime: '2025-01-01T00:00:00Z' }];
    const times = (of: ReturnType<typeof podStatus>): string | undefined =>
      of.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
    expect(times(status({ side: running, app: running }, 'running', { side: up, app: up }, old))).toBe(
      '2025-01-01T00:00:00Z',
    );
    expect(times(status({ side: running }, 'running', {}, old))).toBe('2026-01-01T00:01:00.000Z');
  });

  it('tells the end', () => {
    const over = status({ side: ended(0), app: ended(0) }, 'succeeded');
    expect(over.phase).toBe('Succeeded');
    expect(over.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'PodCompleted',
    });
    expect(over.containerStatuses?.[0]?.state.terminated?.exitCode).toBe(0);
  });
});

describe('pace of a probe', () => {
  it('counts quick failures once per period and slows down after the first seconds', () => {
    const pace = new Pace({ periodSeconds: 1, failureThreshold: 2 }, true);
    pace.begin(0);
    expect([0, 100, 200, 900, 1000].map((at) => pace.failure(at))).toEqual([false, false, false, true, false]);
    expect(pace.pauseMs).toBe(100);
    for (let turn = 0; turn < 20; turn += 1) pace.failure(4000);
    expect(pace.pauseMs).toBe(1000);
  });

  it('asks at its period after the first success', () => {
    const pace = new Pace({ periodSeconds: 5, successThreshold: 2 }, true);
    expect([pace.success(), pace.pauseMs, pace.success()]).toEqual([false, 5000, true]);
  });
});
