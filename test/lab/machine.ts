import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import type { FromInside, ToInside } from './messages.js';
import type { LabPlan } from './plan.js';
import { descendants, readProcessTable } from './process-table.js';
import { logTail } from './supervisor.js';
import type { RunningProcess } from './supervisor.js';

const startTimeoutMs = 300_000;

/** A listening socket on this side's loopback, to be handed over to the process inside. */
export async function reserveLocalPort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return { port: (server.address() as AddressInfo).port, server };
}

/**
 * The lab's namespaces and the program in them, held by one child process: when it or this process ends, in whatever way,
 * the kernel ends everything inside.
 */
export class Machine {
  private child: ChildProcess | undefined;
  private running: readonly RunningProcess[] = [];
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(
    private readonly plan: LabPlan,
    private readonly progress: (line: string) => void,
    private readonly changed: () => void,
  ) {}

  /** Resolves when all clusters are up. @throws Error with the tail of the log that tells why not */
  async start(secret: string, servers: ReadonlyMap<string, Server>): Promise<void> {
    const planFile = join(this.plan.directory, 'plan.json');
    writeFileSync(planFile, JSON.stringify(this.plan));
    const child = this.spawnInside(planFile, secret);
    this.child = child;
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
    for (const [cluster, server] of servers) {
      // Closed here once it is handed over, else this process would take connections too.
      child.send({ type: 'listen', cluster } satisfies ToInside, server, () => server.close());
    }
    await this.untilReady(child);
    child.on('exit', () => {
      if (!this.stopping) this.progress(`the lab's namespaces ended unexpectedly; see ${this.logFile}`);
    });
  }

  /** The process that holds the lab, as seen from here; all of the lab descends from it. */
  get pid(): number {
    return this.child?.pid ?? -1;
  }

  get alive(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Supervised processes with their ids as seen from here. */
  supervised(table = readProcessTable()): readonly RunningProcess[] {
    const depth = table.find(({ pid }) => pid === process.pid)?.nested.length ?? 1;
    // Only this lab's own: another one on the machine has processes with the same inner ids.
    const inside = new Map(
      descendants(table, this.pid)
        .filter(({ nested }) => nested.length === depth + 1)
        .map(({ pid, nested }) => [nested[depth], pid] as const),
    );
    return this.running.flatMap((process) => {
      const pid = inside.get(process.pid);
      return pid === undefined ? [] : [{ ...process, pid }];
    });
  }

  async stop(remove: boolean): Promise<void> {
    this.stopping = true;
    if (!this.alive) return;
    this.child?.send({ type: 'stop', remove: remove && !isRoot() } satisfies ToInside, () => undefined);
    const timer = setTimeout(() => this.child?.kill('SIGKILL'), 5000);
    await this.ended;
    clearTimeout(timer);
  }

  private get logFile(): string {
    return join(this.plan.directory, 'lab.log');
  }

  private spawnInside(planFile: string, secret: string): ChildProcess {
    const inside = join(this.plan.repository, 'dist/test/lab/inside.js');
    if (!existsSync(inside)) throw new Error(`${inside} is missing: run npm run build`);
    const log = openSync(this.logFile, 'a');
    const namespaces = ['--mount', '--net', '--pid', '--ipc', '--fork', '--kill-child=KILL', '--mount-proc'];
    // The shell is process 1 in there: it collects what containers leave behind.
    const shell = ['sh', '-c', '"$@"; exit $?', 'lab', this.plan.node, '--enable-source-maps', inside, planFile];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...userNamespace(), ...namespaces, ...shell], {
      // A session of its own: ^C in the terminal reaches this process only, which then ends the lab in order.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, LAB_SECRET: secret },
    });
    closeSync(log);
    return child;
  }

  private untilReady(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void => {
        child.kill('SIGKILL');
        reject(new Error(reason));
      };
      const timer = setTimeout(
        () => fail(`the clusters were not up within ${startTimeoutMs / 1000} s`),
        startTimeoutMs,
      );
      child.once('error', (error) => fail(error.message));
      child.once('exit', () => {
        clearTimeout(timer);
        reject(new Error(`the lab ended while it started; ${this.logFile} ends with\n${this.explain()}`));
      });
      child.on('message', (message: FromInside) => {
        if (message.type === 'progress') this.progress(message.text);
        if (message.type === 'failed') fail(message.message);
        if (message.type === 'processes') {
          this.running = message.running;
          this.changed();
        }
        if (message.type === 'ready') {
          clearTimeout(timer);
          resolve();
        }
      });
    });
  }

  private explain(): string {
    const tail = logTail(this.logFile);
    if (!/unshare|newuidmap|Operation not permitted|Permission denied/.test(tail) || isRoot()) return tail;
    return `${tail}
This system refuses namespaces to ordinary users. Run as root, or as root once:
  sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0
(those of them that exist), install newuidmap (Debian: uidmap) and give the user a range in /etc/subuid and /etc/subgid.`;
  }
}

/** Flags with which an ordinary user becomes root of a user namespace that holds the ids that containers use. */
export function userNamespace(): readonly string[] {
  return isRoot() ? [] : ['--user', '--map-root-user', '--map-auto'];
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
