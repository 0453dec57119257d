import { spawn } from 'node:child_process';
import { insideContainer } from './container-process.js';

export interface RunResult {
  /** Exit code; 124 when the time was up. */
  readonly code: number;
  /** First 4 KiB of what it printed. */
  readonly output: string;
}

const outputLimit = 4096;
const timedOut = 124;

/** Runs a command inside a container and waits for its end, for probes and lifecycle hooks. Never throws. */
export function runInside(
  pid: number,
  words: readonly string[],
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<RunResult> {
  return new Promise((resolve) => {
    const [program = '', ...args] = insideContainer(pid, words);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    const take = (chunk: Buffer): void => {
      if (output.length < outputLimit) output += chunk.toString('utf8').slice(0, outputLimit - output.length);
    };
    const stop = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended by itself.
      }
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, options.timeoutMs);
    options.signal?.addEventListener('abort', stop, { once: true });
    const end = (code: number): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', stop);
      resolve({ code: late ? timedOut : code, output });
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => {
      output = error.message;
      end(126);
    });
    child.on('close', (code) => end(code ?? 137));
  });
}
