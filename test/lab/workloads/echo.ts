// The demo's server: says who it is and what it was sent, over HTTP (8080), gRPC (9090) and raw TCP (9000).
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { echoService } from './echo-service.js';
import type { EchoReply, EchoRequest } from './echo-service.js';

const self = {
  pod: process.env['POD_NAME'] ?? 'unknown',
  namespace: process.env['POD_NAMESPACE'] ?? 'unknown',
  cluster: process.env['CLUSTER'] ?? 'unknown',
};
const mostBodyBytes = 1 << 20;

/** `/status/<code>` answers with that code, `/delay/<ms>` waits; every answer is the request as it arrived, as JSON. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '/';
  const delay = Number(/^\/delay\/(\d+)/.exec(path)?.[1] ?? 0);
  const status = Number(/^\/status\/(\d{3})/.exec(path)?.[1] ?? 200);
  const body = await bodyOf(request);
  if (delay > 0) await pause(Math.min(delay, 60_000));
  const { method, headers, httpVersion } = request;
  const seen = { ...self, method, path, httpVersion, headers, body, from: request.socket.remoteAddress };
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(seen)}\n`);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= mostBodyBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function serveHttp(): Promise<void> {
  const server = createHttpServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 3_600_000;
  return new Promise((resolve) => server.listen(8080, resolve));
}

function serveGrpc(): Promise<void> {
  const server = new Server();
  server.addService(echoService, {
    Call: (
      call: { request: EchoRequest; metadata: { getMap(): Record<string, unknown> } },
      reply: (error: null, value: EchoReply) => void,
    ) => reply(null, { ...self, message: call.request.message, metadata: call.metadata.getMap() }),
  });
  return new Promise((resolve, reject) =>
    server.bindAsync('0.0.0.0:9090', ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
}

/** Every line comes back behind this pod's name. */
function serveTcp(): Promise<void> {
  const server = createTcpServer((socket: Socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined);
    lines.on('line', (line) => socket.write(`${self.cluster}/${self.pod} ${line}\n`));
  });
  return new Promise((resolve) => server.listen(9000, resolve));
}

process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => process.exit(0));
await Promise.all([serveHttp(), serveGrpc(), serveTcp()]);
// What the readiness probe looks for.
writeFileSync('/tmp/ready', '');
