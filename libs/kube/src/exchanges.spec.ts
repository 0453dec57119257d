import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { buildConnector } from 'undici';
import { comesTrue, serverCertificate } from '#testing';
import { Exchanges } from './exchanges.js';

const certificate = serverCertificate();
let server: Http2SecureServer;
let exchanges: Exchanges;
/** HTTP versions of the requests seen, in order; answers wait while the gate is shut. */
const seen: string[] = [];
let gate: Promise<void> = Promise.resolve();
const sockets = new Set<Socket>();

afterEach(async () => {
  await exchanges.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((done) => server.close(done));
  seen.length = 0;
});

async function serve(allowHTTP1: boolean): Promise<void> {
  server = createSecureServer(
    { ...certificate, allowHTTP1 },
    (request: Http2ServerRequest, response: Http2ServerResponse) => {
      seen.push(request.httpVersion);
      void gate.then(() => response.end('ok'));
    },
  );
  server.on('secureConnection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  exchanges = new Exchanges({
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connector: (allowH2) => buildConnector({ allowH2, rejectUnauthorized: false }),
    headersTimeoutMs: 20_000,
    idleConnectionMs: 20_000,
    pingMs: 20_000,
  });
}

/** Resolves with the status, or the error's text. */
function ask(long: boolean): Promise<number | string> {
  return new Promise((resolve) => {
    let status = 0;
    const failed = (error: Error): void => resolve(`failed: ${error.message}`);
    exchanges
      .send(
        { method: 'GET', path: '/x', long },
        {
          onRequestStart: () => undefined,
          onResponseStart: (_controller, code) => void (status = code),
          onResponseData: () => undefined,
          onResponseEnd: () => resolve(status),
          onResponseError: (_controller, error) => failed(error),
        },
      )
      .catch(failed);
  });
}

describe('exchanges with a server that speaks HTTP/2', () => {
  it('carry what ends soon over HTTP/1.1, and what stays over HTTP/2', async () => {
    await serve(true);
    expect([await ask(false), await ask(true), await ask(false)]).toEqual([200, 200, 200]);
    expect(seen).toEqual(['1.1', '2.0', '1.1']);
  });

  it('carry a crowd of brief ones over HTTP/2', async () => {
    await serve(true);
    expect(await ask(false)).toBe(200);
    let open = (): void => undefined;
    gate = new Promise((done) => (open = done));
    const crowd = Array.from({ length: 30 }, () => ask(false));
    await comesTrue(() => seen.length >= 31);
    open();
    expect(new Set(await Promise.all(crowd))).toEqual(new Set([200]));
    expect(seen.filter((version) => version === '1.1')).toHaveLength(9);
  });

  it('find out that it speaks nothing else', async () => {
    await serve(false);
    const first = await ask(false);
    expect([String(first).startsWith('failed'), await ask(false), await ask(true)]).toEqual([true, 200, 200]);
    expect(new Set(seen)).toEqual(new Set(['2.0']));
  });
});
