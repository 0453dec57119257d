import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export const notFound: Answer = (response) => void response.writeHead(404).end();

/** JSON as an honest peer serves it, with an ETag. */
export function json(text: string): Answer {
  const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
  return (response, request) => {
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag }).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json', etag }).end(text);
  };
}

/** What one peer answers, every byte of it ours: plain node:https, changed while it runs. */
export class PeerServer {
  publicAnswer: Answer = notFound;
  privateAnswer: Answer = notFound;
  streamAnswer: Answer = notFound;
  /** Requests for each path so far. */
  readonly asked = new Map<string, number>();
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  private constructor(tlsDirectory: string) {
    const read = (file: string): string => readFileSync(join(tlsDirectory, file), 'utf8');
    this.#server = createServer({ cert: read('tls.crt'), key: read('tls.key') }, (request, response) => {
      response.on('error', () => undefined);
      this.#answer(request.url ?? '')(response, request);
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(tlsDirectory: string): Promise<PeerServer> {
    const peer = new PeerServer(tlsDirectory);
    await new Promise<void>((done) => peer.#server.listen(0, '127.0.0.1', done));
    return peer;
  }

  get endpoint(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}/metadata`;
  }

  /** Breaks every connection there is; new ones are taken. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop(): void {
    this.#server.close();
    this.hangUp();
  }

  #answer(path: string): Answer {
    this.asked.set(path, (this.asked.get(path) ?? 0) + 1);
    if (path === '/metadata/public/public.json') return this.publicAnswer;
    if (/^\/metadata\/private\/(federation|multicluster)\.json$/.test(path)) return this.privateAnswer;
    return path === '/metadata/private/federation/stream' ? this.streamAnswer : notFound;
  }
}
