import { createInterface } from 'node:readline';
import type { Lab } from './lab.js';
import type { LoadReport } from './workloads/calls.js';

export interface LoadWish {
  readonly cluster: string;
  readonly namespace: string;
  /** Pod, or the Deployment that it belongs to. */
  readonly pod: string;
  readonly tool: 'call-http' | 'call-grpc' | 'call-tcp';
  readonly target: string;
  /** Calls a second. Default 20. */
  readonly rate?: number;
  readonly connections?: number;
  /** Of one call. Default 30 s: one that a busy machine keeps waiting has not failed. */
  readonly timeoutMs?: number;
}

/** Calls that go on in the background. */
export interface RunningLoad {
  /** Counts so far, at most a second old; undefined before the first second is over. */
  latest(): LoadReport | undefined;
  /** Ends the calls and gives the final counts. @throws Error when the caller itself broke */
  stop(): Promise<LoadReport>;
}

/** Starts calls at a steady rate out of a pod of the lab. */
export function startLoad(lab: Lab, wish: LoadWish): RunningLoad {
  const { rate, connections, timeoutMs: timeout = 30_000 } = wish;
  const flags = Object.entries({ rate, connections, timeout }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
  const command = [wish.tool, '--load', '0', '--until-eof', ...flags, wish.target];
  const child = lab.spawnIn(wish.cluster, wish.namespace, wish.pod, command);
  let report: LoadReport | undefined;
  let complaints = '';
  createInterface({ input: child.stdout }).on('line', (line) => (report = JSON.parse(line) as LoadReport));
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString('utf8')));
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    latest: () => report,
    stop: async () => {
      child.stdin.on('error', () => undefined);
      child.stdin.end();
      await closed;
      if (report?.done !== true) throw new Error(`${wish.tool} in ${wish.cluster}/${wish.pod}: ${complaints.trim()}`);
      return report;
    },
  };
}
