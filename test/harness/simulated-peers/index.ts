import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { machineAddress } from '../machine-address.js';
import type { Change, ReadyPeer, Settings, Told } from './orders.js';

export type { Change, ReadyPeer, Settings } from './orders.js';

export interface SimulatedPeers {
  readonly pid: number;
  readonly peers: readonly ReadyPeer[];
  /** Changes one peer; resolves with the host that changed and the time just before it did, Unix ms. */
  change(order: Omit<Change, 'id'>): Promise<{ readonly host: string; readonly at: number }>;
  stop(): Promise<void>;
}

/** Starts the peers in a process of their own, which ends with ours. */
export async function startSimulatedPeers(settings: Omit<Settings, 'gatewayAddress'>): Promise<SimulatedPeers> {
  const program = join(process.cwd(), 'dist/test/harness/simulated-peers/main.js');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, program]);
  const closed = once(child, 'close');
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString('utf8')));
  child.stdin.on('error', () => undefined);
  const waiting = new Map<number, (told: { host: string; at: number }) => void>();
  const ready = new Promise<readonly ReadyPeer[]>((done, fail) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as Told;
      if (told.event === 'ready') {
        done(told.peers);
        return;
      }
      waiting.get(told.id)?.(told);
      waiting.delete(told.id);
    });
    void closed.then(() => fail(new Error(`the simulated peers ended: ${complaints.trim().slice(-500)}`)));
  });
  const write = (line: object): void => void child.stdin.write(`${JSON.stringify(line)}\n`);
  write({ ...settings, gatewayAddress: machineAddress() });
  const peers = await ready;
  let changes = 0;
  return {
    pid: child.pid ?? 0,
    peers,
    change: (order) => {
      const id = (changes += 1);
      return new Promise((done, fail) => {
        waiting.set(id, done);
        void closed.then(() => fail(new Error(`the simulated peers ended: ${complaints.trim().slice(-500)}`)));
        write({ id, ...order });
      });
    },
    stop: async () => {
      child.stdin.end();
      await closed;
    },
  };
}
