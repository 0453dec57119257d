import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { inNetwork } from './namespaces.js';

/** One process of the lab that is kept alive. */
export interface ProcessSpec {
  readonly cluster: string;
  readonly name: string;
  readonly netns?: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** A living process; `pid` is the one of the lab's process namespace. */
export interface RunningProcess {
  readonly cluster: string;
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
}

interface Supervised {
  readonly spec: ProcessSpec;
  child?: ChildProcess;
  startedAt: number;
  quickDeaths: number;
}

const firstRestartMs = 100;
const longestRestartMs = 1000;
const quickDeathMs = 3000;

/** Starts processes and starts them again whenever they end, within a second; what they print goes to their log files. */
export class Supervisor {
  private readonly processes = new Map<string, Supervised>();
  private stopped = false;

  constructor(private readonly changed: (running: readonly RunningProcess[]) => void) {}

  start(spec: ProcessSpec): void {
    mkdirSync(dirname(spec.logFile), { recursive: true });
    const supervised: Supervised = { spec, startedAt: 0, quickDeaths: 0 };
    this.processes.set(`${spec.cluster}/${spec.name}`, supervised);
    this.launch(supervised);
  }

  running(): readonly RunningProcess[] {
    return [...this.processes.values()].flatMap(({ spec, child }) =>
      child?.pid === undefined || child.exitCode !== null || child.signalCode !== null
        ? []
        : [{ cluster: spec.cluster, name: spec.name, pid: child.pid, logFile: spec.logFile }],
    );
  }

  /** Deaths in a row, each soon after the start: a process that can't run at all. */
  quickDeaths(cluster: string, name: string): number {
    return this.processes.get(`${cluster}/${name}`)?.quickDeaths ?? 0;
  }

  stop(): void {
    this.stopped = true;
    for (const { child } of this.processes.values()) child?.kill('SIGKILL');
  }

  private launch(supervised: Supervised): void {
    if (this.stopped) return;
    const { spec } = supervised;
    const log = openSync(spec.logFile, 'a');
    const [program = '', ...args] = inNetwork(spec.netns, spec.command);
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...spec.env } });
    closeSync(log);
    supervised.child = child;
    supervised.startedAt = Date.now();
    let ended = false;
    const onEnd = (): void => {
      if (ended) return;
      ended = true;
      this.restart(supervised);
    };
    child.on('error', onEnd);
    child.on('exit', onEnd);
    this.changed(this.running());
  }

  private restart(supervised: Supervised): void {
    if (this.stopped) return;
    const quick = Date.now() - supervised.startedAt < quickDeathMs;
    supervised.quickDeaths = quick ? supervised.quickDeaths + 1 : 0;
    const delay = Math.min(firstRestartMs * 2 ** supervised.quickDeaths, longestRestartMs);
    setTimeout(() => this.launch(supervised), delay);
    this.changed(this.running());
  }
}

/** Last lines of a log file, for the message of a failure. */
export function logTail(file: string, lines = 15): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
}
