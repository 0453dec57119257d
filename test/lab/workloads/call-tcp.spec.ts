import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tcpCaller } from './call-tcp.js';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Answers each line with itself; `connections` are those that were opened so far. */
async function echo(): Promise<{ readonly target: string; readonly connections: readonly Socket[] }> {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    connections.push(socket);
    socket.on('error', () => undefined).pipe(socket);
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { target: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections };
}

describe('a caller over raw TCP', () => {
  it('counts a connection that broke between two calls, and makes the next call over a new one', async () => {
    const { target, connections } = await echo();
    const caller = tcpCaller();
    const options = { target, method: '', headers: [], body: undefined, timeoutMs: 20_000 };
    expect(await caller.call(options)).toMatchObject({ ok: true });
    expect([caller.breaks?.(), caller.standing?.()]).toEqual([0, 1]);
    const [first] = connections;
    first?.destroy();
    while (caller.breaks?.() === 0) await new Promise((done) => setImmediate(done));
    expect(caller.standing?.()).toBe(0);
    expect(await caller.call(options)).toMatchObject({ ok: true, body: 'hello' });
    expect(connections).toHaveLength(2);
    expect(caller.standing?.()).toBe(1);
    caller.close();
    const [, second] = connections;
    if (second !== undefined && !second.closed) await once(second, 'close');
    expect(caller.breaks?.()).toBe(1);
  });

  it('counts no connection that was never answered', async () => {
    const { target } = await echo();
    servers.splice(0).forEach((server) => server.close());
    const caller = tcpCaller();
    const options = { target, method: '', headers: [], body: undefined, timeoutMs: 20_000 };
    // By the second the first has been closed.
    const results = [await caller.call(options), await caller.call(options)];
    expect([results.map(({ ok }) => ok), caller.breaks?.(), caller.standing?.()]).toEqual([[false, false], 0, 0]);
  });
});
