import { join } from 'node:path';
import { gatewayOf } from '../pod/addresses.js';
import { hostnameOf } from '../pod/pod-files.js';
import type { Pod } from '../pod/pod-types.js';
import { isAlive, signalProcess, startTicks } from '../pod/processes.js';
import { startSandbox } from '../pod/sandbox.js';
import type { Bell } from './bell.js';
import { podDirectory } from './pod-record.js';
import type { PodMemory } from './pod-record.js';
import type { NodeContext } from './settings.js';

const sandboxTimeoutMs = 10_000;

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

  /** Makes a new sandbox; the containers' records are dropped, since whatever ran in the old one is to be set up again. */
  async create(pod: Pod): Promise<void> {
    const { context, memory } = this;
    const { settings, landmarks } = context;
    const attempt = (memory.record.sandbox?.attempt ?? -1) + 1;
    const id = `${memory.record.uid}..${attempt}`;
    landmarks.forget(id);
    const directory = podDirectory(settings.state, memory.record);
    const onNode = pod.spec.hostNetwork === true;
    const sysctls = Object.fromEntries(
      (pod.spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value]),
    );
    await context.starts.run(async () => {
      startSandbox({
        directory,
        hostname: hostnameOf(pod, settings.node),
        sysctls,
        startedFile: landmarks.startedFile(id),
        logFile: join(directory, 'sandbox.log'),
        ...(onNode ? {} : { network: this.network(attempt) }),
      });
      const process = await this.started(id);
      memory.change({ sandbox: { attempt, process }, containers: {} });
    });
    landmarks.forget(id);
  }

  destroy(): void {
    const { sandbox } = this.memory.record;
    if (sandbox !== undefined) signalProcess(sandbox.process, 'SIGKILL');
  }

  private network(attempt: number): { bridge: string; gateway: string; address: string; linkName: string } {
    const { podBridge, podCidr } = this.context.settings;
    const { uid, podIp } = this.memory.record;
    // The kernel takes a moment to remove the link of a sandbox that ended: the next one has another name.
    const linkName = `v${attempt % 10}${uid.replaceAll('-', '').slice(0, 12)}`;
    return { bridge: podBridge, gateway: gatewayOf(podCidr), address: podIp, linkName };
  }

  private async started(id: string): Promise<{ pid: number; ticks: number }> {
    const deadline = this.context.now() + sandboxTimeoutMs;
    for (;;) {
      const pid = this.context.landmarks.started(id);
      const ticks = pid === undefined ? undefined : startTicks(pid);
      if (pid !== undefined && ticks !== undefined) return { pid, ticks };
      if (this.context.now() > deadline) {
        const { namespace, name } = this.memory.record;
        throw new Error(`sandbox of ${namespace}/${name} did not come up: see sandbox.log in its folder`);
      }
      await this.marks.wait(50);
    }
  }
}
