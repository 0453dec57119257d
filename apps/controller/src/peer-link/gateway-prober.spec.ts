import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AllowedGateway } from '../publication/address-book.js';
import { GatewayProber } from './gateway-prober.js';

const peer = 'federation/west';

describe('what is known of peers’ gateways', () => {
  let servers: Server[];
  let told: (boolean | undefined)[];
  let prober: GatewayProber;

  beforeEach(() => {
    servers = [];
    told = [];
    prober = new GatewayProber((key) => told.push(prober.results(key)[0]?.reachable));
  });
  afterEach(() => servers.forEach((server) => server.close()));

  /** Listens at that port, or at a free one. */
  async function listen(port = 0): Promise<number> {
    const server = createServer((socket) => socket.destroy());
    servers.push(server);
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  }

  async function closedPort(): Promise<number> {
    const port = await listen();
    await new Promise((done) => servers.pop()?.close(done));
    return port;
  }

  const at = (port: number): ReadonlyMap<string, readonly AllowedGateway[]> =>
    new Map([[peer, [{ address: 'west.example', port, addresses: ['127.0.0.1'] }]]]);

  it('is what a second try gives where the first fails', async () => {
    const port = await closedPort();
    const round = prober.round(at(port));
    setTimeout(() => void listen(port), 100);
    await round;
    expect(told).toEqual([true]);
  });

  it('is that none is there when both fail, until one is', async () => {
    const port = await closedPort();
    await prober.round(at(port));
    expect(prober.results(peer)).toEqual([
      { address: 'west.example', port, reachable: false, message: expect.stringContaining('ECONNREFUSED') },
    ]);
    await listen(port);
    await prober.round(at(port));
    expect(told).toEqual([false, true]);
  });

  it('is of the gateways that were named last, whatever an earlier round finds later', async () => {
    const [gone, named] = [await closedPort(), await listen()];
    const earlier = prober.round(at(gone));
    expect(prober.isDue(at(gone))).toBe(false);
    expect(prober.isDue(at(named))).toBe(true);
    await prober.round(at(named));
    await earlier;
    expect(prober.results(peer)).toEqual([{ address: 'west.example', port: named, reachable: true }]);
    expect(told).toEqual([true]);
  });

  it('is nothing of a peer that is named no more, also where it was being looked at', async () => {
    const round = prober.round(at(await closedPort()));
    await prober.round(new Map());
    await round;
    expect(prober.results(peer)).toEqual([]);
    expect(told).toEqual([]);
  });
});
