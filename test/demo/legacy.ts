import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LabCluster } from '../lab/index.js';
import { eventually, patienceMs } from './story.js';

export interface LegacyEvent {
  readonly event: string;
  readonly [fact: string]: unknown;
}

/** A legacy peer that runs inside a cluster's network (test/legacy-peer). */
export interface RunningLegacyPeer {
  readonly ready: LegacyEvent & { readonly ca: string; readonly endpoint: string; readonly folder: string };
  readonly events: readonly LegacyEvent[];
  send(command: object): void;
  /** Resolves with the first event of this kind that comes after the call (or after `from`, an index into `events`). */
  next(kind: string, from?: number): Promise<LegacyEvent>;
  /** SIGSTOP and SIGCONT: a peer that is silent without being gone. */
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export async function startLegacyPeer(
  cluster: LabCluster,
  options: {
    readonly poll?: string;
    readonly trustDomain?: string;
    readonly document?: object;
    readonly pollSeconds?: number;
    readonly listen?: string;
    readonly uuid?: string;
    readonly serve?: readonly string[];
    /** Its multicluster.json, and the API server beside it: `host:port=kind` (test/legacy-peer/bad-api.ts). */
    readonly multicluster?: object;
    readonly api?: string;
  } = {},
): Promise<RunningLegacyPeer> {
  const flags = [
    ...(options.poll === undefined ? [] : ['--poll', options.poll]),
    ...(options.trustDomain === undefined ? [] : ['--trust-domain', options.trustDomain]),
    ...(options.document === undefined ? [] : ['--document', JSON.stringify(options.document)]),
    ...(options.pollSeconds === undefined ? [] : ['--poll-seconds', String(options.pollSeconds)]),
    ...(options.listen === undefined ? [] : ['--listen', options.listen]),
    ...(options.multicluster === undefined ? [] : ['--multicluster', JSON.stringify(options.multicluster)]),
    ...(options.api === undefined ? [] : ['--api', options.api]),
    ...(options.uuid === undefined ? [] : ['--uuid', options.uuid]),
    ...(options.serve ?? []).flatMap((wish) => ['--serve', wish]),
  ];
  const [program = '', ...args] = [
    ...cluster.enter,
    process.execPath,
    join(process.cwd(), 'dist/test/legacy-peer/main.js'),
    ...flags,
  ];
  const child: ChildProcessWithoutNullStreams = spawn(program, args);
  const events: LegacyEvent[] = [];
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString('utf8')));
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const ready = await new Promise<LegacyEvent>((done, fail) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as LegacyEvent;
      events.push(event);
      if (event.event === 'ready') done(event);
    });
    void closed.then(() => fail(new Error(`the legacy peer ended: ${complaints.trim().slice(-500)}`)));
  });
  return {
    ready: ready as RunningLegacyPeer['ready'],
    events,
    send: (command) => child.stdin.write(`${JSON.stringify(command)}\n`),
    next: (kind, from = events.length) =>
      eventually(`the legacy peer to say ${kind}`, patienceMs, async () =>
        events.slice(from).find(({ event }) => event === kind),
      ),
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      child.kill('SIGCONT');
      child.stdin.end();
      await closed;
      rmSync((ready as RunningLegacyPeer['ready']).folder, { recursive: true, force: true });
    },
  };
}
