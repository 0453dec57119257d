import { join } from 'node:path';
import type { PodFacts } from '../pod/facts.js';
import { NotYet } from '../pod/fault.js';
import { isSidecar } from '../pod/pod-types.js';
import type { Container, Pod, PodCondition } from '../pod/pod-types.js';
import { shownObjects } from '../pod/volume-payload.js';
import { Bell } from './bell.js';
import { PodContainers } from './pod-containers.js';
import { planPod } from './pod-plan.js';
import type { PodPlan } from './pod-plan.js';
import { podDirectory, PodMemory } from './pod-record.js';
import type { PodRecord } from './pod-record.js';
import { PodSandbox } from './pod-sandbox.js';
import { podStatus } from './pod-status.js';
import type { Waiting } from './pod-status.js';
import { PodVolumes } from './pod-volumes.js';
import { StatusPublisher } from './publisher.js';
import { allocatable } from './settings.js';
import type { NodeContext } from './settings.js';
import { PodTokens } from './tokens.js';

const retryMs = 1000;
const soonMs = 100;
const defaultGraceSeconds = 30;
/** A token that is due and could not be renewed is asked for again this much later. */
const tokenRetryMs = 5000;

/** Leads one pod from being bound to this node until it is gone. One step at a time; whatever happens rings the bell. */
export class PodWorker {
  private readonly bell = new Bell();
  private readonly marks = new Bell();
  private readonly memory: PodMemory;
  private readonly containers: PodContainers;
  private readonly sandbox: PodSandbox;
  private readonly volumes: PodVolumes;
  private readonly tokens: PodTokens;
  private readonly publisher: StatusPublisher;
  private readonly waiting = new Map<string, Waiting>();
  private readonly leaving = new AbortController();
  private conditions: readonly PodCondition[];
  private stage: PodPlan['stage'] = 'initializing';
  private volumesStale = true;
  private deletedAt: number | undefined;
  private isGone = false;
  private over = false;

  constructor(
    private readonly context: NodeContext,
    private pod: Pod,
    adopted?: PodRecord,
  ) {
    const { settings, client, logger, now } = context;
    this.memory = new PodMemory(settings.state, adopted ?? this.firstRecord());
    const directory = podDirectory(settings.state, this.memory.record);
    this.containers = new PodContainers(context, this.memory, this.bell, this.marks);
    this.sandbox = new PodSandbox(context, this.memory, this.marks);
    this.volumes = new PodVolumes(join(directory, 'volumes'), join(settings.memory, pod.metadata.uid));
    this.tokens = new PodTokens(client, pod, now);
    this.publisher = new StatusPublisher(client, pod, logger);
    this.conditions = pod.status?.conditions ?? [];
    if (adopted !== undefined) this.containers.resume(pod);
  }

  /** Runs until the pod is gone from here and from the API server. */
  async run(): Promise<void> {
    this.noticeDeletion();
    while (!this.over) {
      let wakeAt: number | undefined;
      try {
        wakeAt = await this.step();
      } catch (error) {
        this.context.logger.error({ err: error, pod: this.label }, 'pod: step failed, trying again');
        wakeAt = this.context.now() + retryMs;
      }
      if (!this.over) await this.bell.wait(wakeAt === undefined ? undefined : wakeAt - this.context.now());
    }
  }

  /** The API server's newest word on this pod. */
  update(pod: Pod): void {
    const shown = ({ metadata }: Pod): string => JSON.stringify([metadata.labels, metadata.annotations]);
    this.volumesStale ||= shown(pod) !== shown(this.pod);
    this.pod = pod;
    this.noticeDeletion();
    this.bell.ring();
  }

  /** The API server doesn't know the pod any more. */
  gone(): void {
    this.isGone = true;
    this.noticeDeletion();
    this.bell.ring();
  }

  /** A mark in the landmarks' folder has changed. */
  mark(): void {
    this.marks.ring();
    this.bell.ring();
  }

  /** Looks after what may have happened unseen. */
  sweep(): void {
    this.bell.ring();
  }

  /** A ConfigMap or Secret of the pod's namespace has changed. */
  objectChanged(kind: 'configMaps' | 'secrets', name: string): void {
    const shown = shownObjects(this.pod)[kind].has(name);
    if (!shown && this.waiting.size === 0) return;
    this.volumesStale ||= shown;
    this.bell.ring();
  }

  get namespace(): string {
    return this.pod.metadata.namespace;
  }

  /** True when nothing is left to do for this pod. */
  get isOver(): boolean {
    return this.over;
  }

  private get label(): string {
    return `${this.pod.metadata.namespace}/${this.pod.metadata.name}`;
  }

  private get allContainers(): readonly Container[] {
    return [...(this.pod.spec.initContainers ?? []), ...this.pod.spec.containers];
  }

  private firstRecord(): PodRecord {
    const { metadata, spec } = this.pod;
    const { addresses, settings, now } = this.context;
    return {
      uid: metadata.uid,
      namespace: metadata.namespace,
      name: metadata.name,
      podIp: spec.hostNetwork === true ? settings.nodeIp : addresses.acquire(metadata.uid),
      startTime: this.pod.status?.startTime ?? new Date(now()).toISOString(),
      containers: {},
      mainContainer: spec.containers[0]?.name ?? '',
      ready: false,
      ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
    };
  }

  private noticeDeletion(): void {
    if (!this.isGone && this.pod.metadata.deletionTimestamp === undefined) return;
    this.deletedAt ??= this.context.now();
    this.leaving.abort();
    this.marks.ring();
  }

  /** One look at everything; answers when to look again (unix ms) if nothing happens before. */
  private async step(): Promise<number | undefined> {
    if (this.deletedAt !== undefined) {
      await this.shutDown();
      return undefined;
    }
    if (this.isFinished()) return undefined;
    const soon = this.containers.noticeEnds() ? this.context.now() + soonMs : undefined;
    await this.restartUnhealthy();
    if (!this.sandbox.isAlive()) {
      this.containers.kill();
      await this.sandbox.create(this.pod);
    }
    const facts = this.facts();
    const filled = await this.syncVolumes(facts);
    const plan = this.plan();
    this.stage = plan.stage;
    const started = filled && (await this.startAll(plan.start, facts));
    if (plan.stage === 'succeeded' || plan.stage === 'failed') await this.endWith(plan.stage);
    this.publish();
    // What was just started may already allow the next start.
    const again = started && plan.start.length > 0 ? this.context.now() : undefined;
    return earliest(
      soon,
      plan.wakeAt,
      again,
      this.waiting.size > 0 ? this.context.now() + retryMs : undefined,
      this.nextToken(),
    );
  }

  private isFinished(): boolean {
    const phase = this.pod.status?.phase;
    const { finished } = this.memory.record;
    if (finished !== undefined && finished !== this.stage) {
      // An agent before this one saw the end; its status may not have reached the API server.
      this.stage = finished;
      this.publish();
    }
    return finished !== undefined || phase === 'Succeeded' || phase === 'Failed';
  }

  private plan(): PodPlan {
    const { health } = this.containers;
    const now = this.context.now();
    return planPod({ spec: this.pod.spec, containers: this.memory.record.containers, health, now });
  }

  private async restartUnhealthy(): Promise<void> {
    for (const [name, reason] of this.containers.unhealthy) {
      const container = this.allContainers.find((one) => one.name === name);
      if (container === undefined) continue;
      this.context.logger.warn({ pod: this.label, container: name, reason }, 'container is restarted');
      const graceMs = this.graceSeconds() * 1000;
      const killAt = this.context.now() + graceMs;
      await this.containers.stop(container, () => Math.min(killAt, this.killAt()));
      this.containers.unhealthy.delete(name);
    }
  }

  private async syncVolumes(facts: PodFacts): Promise<boolean> {
    const tokenDue = (this.tokens.nextRefresh() ?? Number.POSITIVE_INFINITY) <= this.context.now();
    if (!this.volumesStale && !tokenDue) return true;
    try {
      await this.volumes.sync(this.pod, facts, (wish) => this.tokens.get(wish));
      this.volumesStale = false;
      this.waiting.clear();
      return true;
    } catch (error) {
      if (!(error instanceof NotYet)) throw error;
      for (const { name } of this.allContainers)
        this.waiting.set(name, { reason: error.reason, message: error.message });
      return false;
    }
  }

  private async startAll(names: readonly string[], facts: PodFacts): Promise<boolean> {
    let all = true;
    for (const name of names) {
      const container = this.allContainers.find((one) => one.name === name);
      if (container === undefined || this.leaving.signal.aborted) return false;
      try {
        await this.containers.start(container, facts, this.volumes, this.leaving.signal);
        this.waiting.delete(name);
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
        this.waiting.set(name, { reason: error.reason, message: error.message });
        all = false;
      }
    }
    return all;
  }

  /** A pod whose work is done: its sidecars end, its namespaces go, its status stays. */
  private async endWith(stage: 'succeeded' | 'failed'): Promise<void> {
    await this.stopAll(() => this.context.now() + this.graceSeconds() * 1000);
    this.sandbox.destroy();
    this.memory.change({ finished: stage });
  }

  private async stopAll(killAt: () => number): Promise<void> {
    const fixed = killAt();
    const deadline = (): number => Math.min(fixed, killAt());
    const sidecars = (this.pod.spec.initContainers ?? []).filter(isSidecar);
    const others = this.allContainers.filter((container) => !sidecars.includes(container));
    await Promise.all(others.map((container) => this.containers.stop(container, deadline)));
    for (const sidecar of sidecars.reverse()) await this.containers.stop(sidecar, deadline);
  }

  private graceSeconds(): number {
    const { metadata, spec } = this.pod;
    return metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  }

  /** Unix ms at which a pod that is being deleted is killed; asked again and again, since a second deletion may shorten it. */
  private killAt(): number {
    if (this.isGone) return 0;
    if (this.deletedAt === undefined) return Number.POSITIVE_INFINITY;
    const fromNow = this.deletedAt + this.graceSeconds() * 1000;
    return Math.min(fromNow, this.memory.record.killAt ?? Number.POSITIVE_INFINITY);
  }

  private async shutDown(): Promise<void> {
    const killAt = this.killAt();
    if (killAt > 0 && Number.isFinite(killAt)) this.memory.change({ killAt });
    await this.stopAll(() => this.killAt());
    this.sandbox.destroy();
    const plan = this.plan();
    if (plan.stage !== 'initializing') this.stage = plan.stage;
    if (!this.isGone) {
      this.publish();
      await this.publisher.close();
      await this.deleteFromApi();
    }
    this.containers.close();
    this.volumes.remove();
    this.memory.forget();
    this.context.addresses.release(this.memory.record.uid);
    this.over = true;
    this.context.logger.info({ pod: this.label }, 'pod is gone');
  }

  private async deleteFromApi(): Promise<void> {
    const { namespace, name, uid } = this.pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const body = JSON.stringify({
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      gracePeriodSeconds: 0,
      preconditions: { uid },
    });
    while (!this.isGone) {
      try {
        const { status } = await this.context.client.request({ method: 'DELETE', path, body, timeoutMs: 15_000 });
        if (status < 300 || status === 404 || status === 409) return;
        this.context.logger.warn({ pod: this.label, status }, 'pod could not be deleted: trying again');
      } catch (error) {
        this.context.logger.warn({ pod: this.label, err: error }, 'pod could not be deleted: trying again');
      }
      await this.marks.wait(retryMs);
    }
  }

  private publish(): void {
    const { settings, now } = this.context;
    const status = podStatus({
      pod: this.pod,
      record: this.memory.record,
      stage: this.stage,
      health: this.containers.health,
      waiting: this.waiting,
      hostIp: settings.nodeIp,
      now: new Date(now()).toISOString(),
      published: this.conditions,
    });
    this.conditions = status.conditions ?? [];
    const ready = this.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
    if (ready !== this.memory.record.ready) this.memory.change({ ready });
    this.publisher.publish(status);
  }

  private facts(): PodFacts {
    const { configMaps, secrets, settings } = this.context;
    const { namespace } = this.pod.metadata;
    return {
      pod: this.pod,
      podIp: this.memory.record.podIp,
      hostIp: settings.nodeIp,
      allocatable,
      configMap: (name) => configMaps.get(namespace, name),
      secret: (name) => secrets.get(namespace, name),
    };
  }

  private nextToken(): number | undefined {
    const due = this.tokens.nextRefresh();
    return due === undefined ? undefined : Math.max(due, this.context.now() + tokenRetryMs);
  }
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
