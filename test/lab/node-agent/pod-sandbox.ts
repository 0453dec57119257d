import { join } from 'node:path';
import { gatewayOf } from '../pod/addresses.js';
import { hostnameOf } from '../pod/pod-files.js';
import type { Pod } from '../pod/pod-types.js';
import { isAlive, signalProcess, startTicks } from '../pod/processes.js';
import type { ProcessIdentity } from '../pod/processes.js';
import { startSandbox } from '../pod/sandbox.js';
import type { Bell } from './bell.js';
import { podDirectory } from './pod-record.js';
import type { PodMemory } from './pod-record.js';
import type { NodeContext } from './settings.js';

const sandboxTimeoutMs = 10_000;
/** How long a start of an agent before this one may still come to something. */
const lostStartMs = 1000;

/** Namespaces of one pod, held by one process. */
export class PodSandbox {
  constructor(
    private readonly context: NodeContext,
    private readonly memory: PodMemory,
    private readonly marks: Bell,
  ) {}

  isAlive(): boolean {
    const { sandbox } = this.memory.record;
    return sandbox !== undefined && isAlive(sandbox.process);
  }

  /**
   * Makes a new sandbox, or takes up one that an agent has started and not lived to enter into the record. The containers'
   * records are dropped: whatever ran in the old one is to be set up again.
   */
  async create(pod: Pod): Promise<void> {
    const { context, memory } = this;
    const { landmarks } = context;
    const begun = memory.record.sandboxAttempt;
    const lost = memory.record.sandbox === undefined && begun !== undefined;
    if (lost) {
      const process = await this.started(begun, lostStartMs);
      if (process !== undefined) {
        memory.change({ sandbox: { attempt: begun, process } });
        return;
      }
    }
    const attempt = (begun ?? -1) + 1;
    landmarks.forget(this.id(attempt));
    // Written down before the start, so that a sandbox never runs without anybody knowing.
    memory.beginSandbox(attempt);
    await context.starts.run(async () => {
      this.start(pod, attempt);
      const process = await this.started(attempt, sandboxTimeoutMs);
      if (process === undefined) {
        const { namespace, name } = memory.record;
        throw new Error(`sandbox of ${namespace}/${name} did not come up: see sandbox.log in its folder`);
      }
      memory.change({ sandbox: { attempt, process } });
    });
  }

  destroy(): void {
    const { sandbox, sandboxAttempt } = this.memory.record;
    if (sandboxAttempt === undefined) return;
    const pid = this.context.landmarks.started(this.id(sandboxAttempt));
    const ticks = pid === undefined ? undefined : startTicks(pid);
    const unrecorded = pid === undefined || ticks === undefined ? undefined : { pid, ticks };
    const process = sandbox?.process ?? unrecorded;
    if (process !== undefined) signalProcess(process, 'SIGKILL');
    this.context.landmarks.forget(this.id(sandboxAttempt));
  }

  private network(attempt: number): { bridge: string; gateway: string; address: string; linkName: string } {
    const { podBridge, podCidr } = this.context.settings;
    const { uid, podIp } = this.memory.record;
    // The kernel takes a moment to remove the link of a sandbox that ended: the next one has another name.
    const linkName = `v${attempt % 10}${uid.replaceAll('-', '').slice(0, 12)}`;
    return { bridge: podBridge, gateway: gatewayOf(podCidr), address: podIp, linkName };
  }

  private id(attempt: number): string {
    return `${this.memory.record.uid}..${attempt}`;
  }

  private start(pod: Pod, attempt: number): void {
    const { settings, landmarks } = this.context;
    const directory = podDirectory(settings.state, this.memory.record);
    const sysctls = pod.spec.securityContext?.sysctls ?? [];
    startSandbox({
      directory,
      hostname: hostnameOf(pod, settings.node),
      sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [name, value])),
      startedFile: landmarks.startedFile(this.id(attempt)),
      logFile: join(directory, 'sandbox.log'),
      ...(pod.spec.hostNetwork === true ? {} : { network: this.network(attempt) }),
    });
  }

  /** The sandbox's process when it has told its id; undefined when it doesn't in time or is gone already. */
  private async started(attempt: number, timeoutMs: number): Promise<ProcessIdentity | undefined> {
    const deadline = this.context.now() + timeoutMs;
    for (;;) {
      const pid = this.context.landmarks.started(this.id(attempt));
      const ticks = pid === undefined ? undefined : startTicks(pid);
      if (pid !== undefined) return ticks === undefined ? undefined : { pid, ticks };
      if (this.context.now() > deadline) return undefined;
      await this.marks.wait(50);
    }
  }
}
