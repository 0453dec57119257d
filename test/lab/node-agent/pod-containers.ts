import { asContainer, startContainer } from '../pod/container-process.js';
import type { PodFacts } from '../pod/facts.js';
import { NotYet } from '../pod/fault.js';
import type { Container, Handler, Pod, Termination } from '../pod/pod-types.js';
import { isAlive, signalProcess, startTicks } from '../pod/processes.js';
import { runInside } from '../pod/run-inside.js';
import type { Bell } from './bell.js';
import { prepareContainer } from './container-launch.js';
import { isRunning, steadyMs } from './pod-plan.js';
import type { Health } from './pod-plan.js';
import { podDirectory } from './pod-record.js';
import type { ContainerRecord, PodMemory } from './pod-record.js';
import type { PodVolumes } from './pod-volumes.js';
import { check } from './probe-check.js';
import type { ProbeTarget } from './probe-check.js';
import { Prober } from './prober.js';
import type { NodeContext } from './settings.js';

const startTimeoutMs = 15_000;
/** A start that left no mark this long after it was written down came to nothing: the agent died in between. */
const lostStartMs = 6000;
const hookTimeoutMs = 60_000;
/** How long a process that is gone may owe its exit code before it counts as killed. */
const exitCodeGraceMs = 1000;
const killedCode = 137;
const startFailedCode = 128;
const pollMs = 100;

/** Starts, watches, probes and stops the containers of one pod. What is known of them is in the pod's memory. */
export class PodContainers {
  readonly health = new Map<string, Health>();
  /** Containers whose startup or liveness probe has failed for good, with the reason. */
  readonly unhealthy = new Map<string, string>();
  private readonly probers = new Map<string, Prober>();
  private readonly goneSince = new Map<string, number>();

  constructor(
    private readonly context: NodeContext,
    private readonly memory: PodMemory,
    /** Rung when the pod needs a look. */
    private readonly bell: Bell,
    /** Rung when a mark of one of the containers has changed. */
    private readonly marks: Bell,
  ) {}

  /** Starts a container and waits until it runs and its postStart hook is done. @throws NotYet */
  async start(container: Container, facts: PodFacts, volumes: PodVolumes, abort: AbortSignal): Promise<void> {
    const { context, memory } = this;
    const before = memory.container(container.name);
    const attempt = before === undefined ? 0 : before.attempt + 1;
    const id = `${memory.record.uid}.${container.name}.${attempt}`;
    const sandbox = memory.record.sandbox;
    if (sandbox === undefined) throw new NotYet('ContainerCreating', 'the sandbox is not ready');
    const directory = podDirectory(context.settings.state, memory.record);
    await context.starts.run(async () => {
      const wish = { container, facts, volumes, podDirectory: directory, sandboxPid: sandbox.process.pid, id };
      const launch = prepareContainer(context, wish);
      if (before !== undefined) context.landmarks.forget(before.id);
      context.landmarks.forget(id);
      memory.changeContainer(container.name, {
        attempt,
        id,
        deaths: before?.deaths ?? 0,
        prefix: asContainer(launch),
        startedAt: this.time(),
        ...(before?.ended === undefined ? {} : { previous: before.ended }),
      });
      startContainer(launch, () => {
        this.marks.ring();
        this.bell.ring();
      });
      await this.until(
        () => this.hasStarted(container.name),
        () => this.context.now() + startTimeoutMs,
      );
    });
    this.unhealthy.delete(container.name);
    this.probe(container);
    await this.postStart(container, abort);
  }

  /** Takes up containers that an earlier agent has started. */
  resume(pod: Pod): void {
    const { initContainers = [], containers } = pod.spec;
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    this.noticeEnds();
    for (const container of [...initContainers, ...containers]) {
      const status = statuses.find(({ name, state }) => name === container.name && state.running !== undefined);
      const known = status === undefined ? undefined : { started: status.started, ready: status.ready };
      if (isRunning(this.memory.container(container.name))) this.probe(container, known);
    }
  }

  /** Enters into the records what has ended since; true when one is about to be known, so that one should look again soon. */
  noticeEnds(): boolean {
    let soon = false;
    for (const [name, record] of Object.entries(this.memory.record.containers)) {
      if (!isRunning(record)) continue;
      const exit = this.context.landmarks.exited(record.id);
      if (exit !== undefined) this.ended(name, exit.exitCode, exit.finishedAt);
      else if (this.isGone(name)) soon = !this.endedWithoutCode(name) || soon;
      else this.goneSince.delete(name);
    }
    return soon;
  }

  /** Asks a container to end (preStop, SIGTERM) and kills it when the time is up. */
  async stop(container: Container, killAt: () => number): Promise<void> {
    const { name } = container;
    if (!isRunning(this.memory.container(name))) return;
    this.probers.get(name)?.stop();
    const preStop = container.lifecycle?.preStop;
    if (preStop !== undefined) {
      const expired = AbortSignal.timeout(Math.max(1, killAt() - this.context.now()));
      await this.hook(container, preStop, expired);
    }
    this.signal(name, 'SIGTERM');
    const isOver = (): boolean => {
      this.noticeEnds();
      return !isRunning(this.memory.container(name));
    };
    if (await this.until(isOver, killAt)) return;
    this.signal(name, 'SIGKILL');
    await this.until(isOver, () => this.context.now() + 2000);
    if (!isOver()) this.ended(name, killedCode, this.time());
  }

  /** Kills everything at once. */
  kill(): void {
    for (const name of Object.keys(this.memory.record.containers)) this.signal(name, 'SIGKILL');
  }

  close(): void {
    for (const prober of this.probers.values()) prober.stop();
    this.probers.clear();
    for (const { id } of Object.values(this.memory.record.containers)) this.context.landmarks.forget(id);
  }

  private signal(name: string, signal: NodeJS.Signals): void {
    this.noteProcess(name);
    const target = this.memory.container(name)?.process;
    if (target !== undefined) signalProcess(target, signal);
  }

  private hasStarted(name: string): boolean {
    this.noteProcess(name);
    const record = this.memory.container(name);
    return (
      record?.process !== undefined || (record !== undefined && this.context.landmarks.exited(record.id) !== undefined)
    );
  }

  private noteProcess(name: string): void {
    const record = this.memory.container(name);
    if (record === undefined || record.process !== undefined) return;
    const pid = this.context.landmarks.started(record.id);
    const ticks = pid === undefined ? undefined : startTicks(pid);
    if (pid === undefined || ticks === undefined) return;
    this.memory.changeContainer(name, { ...record, process: { pid, ticks }, startedAt: this.time() });
  }

  private isGone(name: string): boolean {
    this.noteProcess(name);
    const target = this.memory.container(name)?.process;
    return target === undefined || !isAlive(target);
  }

  /** A process that vanished without an exit code was killed with its namespace; a start that came to nothing has failed. */
  private endedWithoutCode(name: string): boolean {
    const record = this.memory.container(name);
    const now = this.context.now();
    const since = this.goneSince.get(name) ?? now;
    this.goneSince.set(name, since);
    const grace = record?.process === undefined ? lostStartMs : exitCodeGraceMs;
    if (now - since < grace) return false;
    this.ended(name, record?.process === undefined ? startFailedCode : killedCode, this.time());
    return true;
  }

  private ended(name: string, exitCode: number, finishedAt: string): void {
    const record = this.memory.container(name);
    if (record === undefined) return;
    const startedAt = record.startedAt ?? finishedAt;
    const steady = this.context.now() - Date.parse(startedAt) >= steadyMs;
    const message = this.unhealthy.get(name);
    const ended: Termination = {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      ...(message === undefined ? {} : { message }),
      startedAt,
      finishedAt,
      containerID: `process://${record.id}`,
    };
    const change: ContainerRecord = { ...record, ended, deaths: steady ? 1 : record.deaths + 1 };
    this.memory.changeContainer(name, change);
    this.goneSince.delete(name);
    this.probers.get(name)?.stop();
    this.probers.delete(name);
    this.health.delete(name);
    this.context.logger.info({ pod: this.memory.record.name, container: name, exitCode }, 'container ended');
  }

  private probe(container: Container, known?: Health): void {
    if (!isRunning(this.memory.container(container.name))) return;
    const events = {
      health: (health: Health): void => {
        this.health.set(container.name, health);
        this.bell.ring();
      },
      unhealthy: (reason: string): void => {
        this.unhealthy.set(container.name, reason);
        this.bell.ring();
      },
    };
    this.probers.get(container.name)?.stop();
    const prober = new Prober(container, this.target(container), events, known);
    this.probers.set(container.name, prober);
    this.health.set(container.name, prober.health);
    prober.start();
  }

  private target(container: Container, abort?: AbortSignal): ProbeTarget {
    return {
      address: this.memory.record.podIp,
      container,
      run: (command, timeoutMs) => {
        const record = this.memory.container(container.name);
        if (record?.process === undefined || !isAlive(record.process)) {
          return Promise.resolve({ code: startFailedCode, output: 'the container is not running' });
        }
        const options = abort === undefined ? { timeoutMs } : { timeoutMs, signal: abort };
        return runInside(record.process.pid, [...record.prefix, ...command], options);
      },
    };
  }

  private async postStart(container: Container, abort: AbortSignal): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (hook === undefined || !isRunning(this.memory.container(container.name))) return;
    const fault = await this.hook(container, hook, abort);
    if (fault === undefined || abort.aborted) return;
    this.unhealthy.set(container.name, `postStart hook failed: ${fault}`);
  }

  private async hook(container: Container, hook: Handler, abort: AbortSignal): Promise<string | undefined> {
    const aborted = new Promise<string>((resolve) => {
      abort.addEventListener('abort', () => resolve('the time for it is up'), { once: true });
    });
    const fault = await Promise.race([check(hook, this.target(container, abort), hookTimeoutMs), aborted]);
    if (fault !== undefined) {
      this.context.logger.warn(
        { pod: this.memory.record.name, container: container.name, fault },
        'lifecycle hook failed',
      );
    }
    return fault;
  }

  /** Waits for the condition, which is asked at each mark and now and then; false when the time is up before. */
  private async until(condition: () => boolean, deadline: () => number): Promise<boolean> {
    while (!condition()) {
      const left = deadline() - this.context.now();
      if (left <= 0) return false;
      await this.marks.wait(Math.min(left, pollMs));
    }
    return true;
  }

  private time(): string {
    return new Date(this.context.now()).toISOString();
  }
}
