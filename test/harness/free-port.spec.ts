import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from './free-port.js';

const own = process.env['JEST_WORKER_ID'];

async function portsOf(worker: string, count: number): Promise<readonly number[]> {
  process.env['JEST_WORKER_ID'] = worker;
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

async function listening(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('free ports', () => {
  afterEach(() => void (process.env['JEST_WORKER_ID'] = own));

  it('are another worker’s never, and none comes again while others are left', async () => {
    const [one, two] = [await portsOf('1', 1_000), await portsOf('2', 1_000)];
    expect(new Set([...one, ...two]).size).toBe(2_000);
    expect(Math.max(...one)).toBeLessThan(Math.min(...two));
  });

  it('are passed over where somebody listens', async () => {
    const [last = 0] = await portsOf('7', 1);
    const taken = [1, 2, 3].map((step) => last + step);
    const servers = await Promise.all(taken.map(listening));
    expect(taken).not.toContain((await portsOf('7', 1))[0]);
    for (const server of servers) server.close();
  });
});
