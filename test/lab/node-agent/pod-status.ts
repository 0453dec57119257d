import { isSidecar } from '../pod/pod-types.js';
import type { Container, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus } from '../pod/pod-types.js';
import { isRunning, restartPause } from './pod-plan.js';
import type { Health, PodPlan } from './pod-plan.js';
import type { ContainerRecord, PodRecord } from './pod-record.js';

/** Why a container is not running although it should. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface StatusFacts {
  readonly pod: Pod;
  readonly record: PodRecord;
  readonly stage: PodPlan['stage'];
  readonly health: ReadonlyMap<string, Health>;
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly hostIp: string;
  /** RFC 3339, for conditions that change now. */
  readonly now: string;
  /** Conditions as last published: a transition time changes with the status only. */
  readonly published: readonly PodCondition[];
}

/** Status of a pod as its node reports it (core/v1 PodStatus). */
export function podStatus(facts: StatusFacts): PodStatus {
  const { pod, record, stage, hostIp } = facts;
  const { containers, initContainers = [] } = pod.spec;
  const main = containers.map((container) => containerStatus(container, facts));
  const init = initContainers.map((container) => containerStatus(container, facts));
  const hasAddress = record.podIp !== '';
  return {
    phase: phaseOf(stage, main),
    conditions: conditionsOf(facts, main, init),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(hasAddress ? { podIP: record.podIp, podIPs: [{ ip: record.podIp }] } : {}),
    startTime: record.startTime,
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: main,
  };
}

function phaseOf(stage: PodPlan['stage'], main: readonly ContainerStatus[]): string {
  if (stage === 'succeeded') return 'Succeeded';
  if (stage === 'failed') return 'Failed';
  const begun = main.every(({ state, restartCount, lastState }) => {
    return state.waiting === undefined || restartCount > 0 || lastState.terminated !== undefined;
  });
  return stage === 'running' && begun ? 'Running' : 'Pending';
}

function containerStatus(container: Container, facts: StatusFacts): ContainerStatus {
  const record = facts.record.containers[container.name];
  const { name, image = '' } = container;
  const { ready, started } = healthOf(name, record, facts);
  const completed = isInit(container, facts.pod.spec) && !isSidecar(container) && record?.ended?.exitCode === 0;
  return {
    name,
    image,
    imageID: `lab://${image}`,
    ...(record?.process === undefined ? {} : { containerID: `process://${record.id}` }),
    ready: completed || ready,
    started,
    restartCount: record?.attempt ?? 0,
    state: stateOf(container, record, facts),
    lastState: lastStateOf(container, record, facts),
  };
}

function healthOf(name: string, record: ContainerRecord | undefined, facts: StatusFacts): Health {
  const running = isRunning(record) && record?.process !== undefined;
  return (running ? facts.health.get(name) : undefined) ?? { ready: false, started: false };
}

function isInit(container: Container, spec: PodSpec): boolean {
  return (spec.initContainers ?? []).includes(container);
}

/** True while the end of a container is followed by another start, which a status shows as waiting. */
function willRestart(container: Container, record: ContainerRecord | undefined, facts: StatusFacts): boolean {
  if (record?.ended === undefined || facts.pod.metadata.deletionTimestamp !== undefined) return false;
  if (facts.stage === 'succeeded' || facts.stage === 'failed') return false;
  if (isSidecar(container)) return true;
  const policy = facts.pod.spec.restartPolicy ?? 'Always';
  if (isInit(container, facts.pod.spec)) return record.ended.exitCode !== 0 && policy !== 'Never';
  return policy === 'Always' || (policy === 'OnFailure' && record.ended.exitCode !== 0);
}

function stateOf(
  container: Container,
  record: ContainerRecord | undefined,
  facts: StatusFacts,
): ContainerStatus['state'] {
  if (record?.ended !== undefined && willRestart(container, record, facts)) {
    const pause = restartPause(record.deaths) / 1000;
    const message = `back-off ${pause} s restarting failed container=${container.name}`;
    return { waiting: facts.waiting.get(container.name) ?? { reason: 'CrashLoopBackOff', message } };
  }
  if (record?.ended !== undefined) return { terminated: record.ended };
  if (record?.process !== undefined) return { running: { startedAt: record.startedAt ?? facts.now } };
  const initializing = facts.stage === 'initializing' && !isInit(container, facts.pod.spec);
  const reason = initializing ? 'PodInitializing' : 'ContainerCreating';
  return { waiting: facts.waiting.get(container.name) ?? { reason } };
}

function lastStateOf(
  container: Container,
  record: ContainerRecord | undefined,
  facts: StatusFacts,
): ContainerStatus['lastState'] {
  const ended = willRestart(container, record, facts) ? record?.ended : record?.previous;
  return ended === undefined ? {} : { terminated: ended };
}

function conditionsOf(
  facts: StatusFacts,
  main: readonly ContainerStatus[],
  init: readonly ContainerStatus[],
): readonly PodCondition[] {
  const { pod, stage } = facts;
  const over = stage === 'succeeded' || stage === 'failed';
  const unready = [...init.filter((_, at) => sidecarAt(pod.spec, at)), ...main]
    .filter(({ ready }) => !ready)
    .map(({ name }) => name);
  const why: Fault = over
    ? { reason: stage === 'succeeded' ? 'PodCompleted' : 'PodFailed' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const containersReady = !over && unready.length === 0;
  const gates = (pod.spec.readinessGates ?? []).filter(({ conditionType }) => {
    return !(pod.status?.conditions ?? []).some(({ type, status }) => type === conditionType && status === 'True');
  });
  const gateFault: Fault = {
    reason: 'ReadinessGatesNotReady',
    message: gates.map((gate) => gate.conditionType).join(', '),
  };
  const initialized = stage === 'running' || (over && init.every(({ ready }, at) => ready || sidecarAt(pod.spec, at)));
  return [
    condition(facts, 'PodReadyToStartContainers', facts.record.sandbox !== undefined),
    condition(facts, 'Initialized', initialized, { reason: 'ContainersNotInitialized' }),
    condition(facts, 'Ready', containersReady && gates.length === 0, containersReady ? gateFault : why),
    condition(facts, 'ContainersReady', containersReady, why),
    condition(facts, 'PodScheduled', true),
  ];
}

function sidecarAt(spec: PodSpec, index: number): boolean {
  const container = spec.initContainers?.[index];
  return container !== undefined && isSidecar(container);
}

interface Fault {
  readonly reason: string;
  readonly message?: string;
}

function condition(facts: StatusFacts, type: string, holds: boolean, fault?: Fault): PodCondition {
  const status = holds ? 'True' : 'False';
  const before = facts.published.find((old) => old.type === type);
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? facts.now) : facts.now;
  return { type, status, lastTransitionTime, ...(holds ? {} : fault) };
}
