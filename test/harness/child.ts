import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export { freePort } from './free-port.js';

/** A program takes so long to start on a machine that is busy with others. */
export const startTimeoutMs = 90_000;

/** A hook that starts some of them one after the other, such as etcd and the API server. */
export const hookTimeoutMs = 300_000;

/** A real part under test: a child process that dies with us, its output in a file. */
export interface Child {
  readonly pid: number;
  readonly logFile: string;
  kill(signal: NodeJS.Signals): void;
  /** Ends it (SIGTERM, after `graceMs` SIGKILL) and waits until it is gone. */
  stop(graceMs?: number): Promise<void>;
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a part; `setpriv --pdeathsig` ends it even when the test run itself is killed. */
export function startChild(options: ChildOptions): Child {
  const log = openSync(options.logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', options.command, ...options.args], {
    stdio: ['ignore', log, log],
    env: options.env ?? process.env,
  });
  closeSync(log);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.on('error', () => undefined);
  return {
    pid: child.pid ?? 0,
    logFile: options.logFile,
    kill: (signal) => void child.kill(signal),
    stop: (graceMs = 5000) => stopChild(child, gone, graceMs),
  };
}

async function stopChild(child: ChildProcess, gone: Promise<void>, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await gone;
  clearTimeout(timer);
}

/** Polls until `check` gives something; fails with the last error and the end of the log. */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  options: { readonly timeoutMs?: number; readonly logFile?: string | undefined; readonly everyMs?: number } = {},
): Promise<T> {
  const { timeoutMs = 30_000, everyMs = 25, logFile } = options;
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  let late = false;
  while (!late) {
    // Looked at once more when the time is up: this process itself may have stood still meanwhile.
    late = Date.now() >= deadline;
    try {
      const value = await check();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (!late) await sleep(everyMs);
  }
  const tail = logFile === undefined ? '' : `\n${readFileSync(logFile, 'utf8').slice(-2000)}`;
  throw new Error(`${what}: not within ${timeoutMs} ms; last error: ${String(last)}${tail}`);
}
