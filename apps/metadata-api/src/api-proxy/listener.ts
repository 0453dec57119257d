import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, Http2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '#platform';
import { keepCertificate, readCertificate } from '../http/certificate.js';
import { boundConnections, handshakeMs, mostConnections } from '../http/connection-bound.js';
import type { ConnectionBound } from '../http/connection-bound.js';
import type { AnyRequest, AnyResponse } from './reply.js';
import { statusHeaders, statusObject } from './status-object.js';
import type { Failure } from './status-object.js';

const largestHeaderBytes = 16 * 1024;
const mostHeaderPairs = 100;
const streamsPerConnection = 1_000;
/** MiB that one HTTP/2 connection may hold for its readers. */
const sessionMegabytes = 32;
/** An HTTP/2 connection on which nothing is asked. */
const idleSessionMs = 75_000;

/** What Node reads of a server that speaks HTTP/1 beside HTTP/2, but does not declare. */
interface Http1Limits {
  maxHeaderSize: number;
  maxHeadersCount: number;
  headersTimeout: number;
  requestTimeout: number;
  keepAliveTimeout: number;
  connectionsCheckingInterval: number;
}

const http1Limits: Http1Limits = {
  maxHeaderSize: largestHeaderBytes,
  maxHeadersCount: mostHeaderPairs,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: idleSessionMs,
  connectionsCheckingInterval: 5_000,
};

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly tlsDirectory: string;
  readonly logger: Logger;
  readonly onRequest: (request: AnyRequest, response: AnyResponse) => void;
  /** Undefined where only local readers come. */
  readonly connections?: ConnectionBound;
  /** What is refused here, before it is a request that could be answered. */
  readonly onGarbage: (garbage: Garbage) => void;
}

/** Bytes that are no request, headers beyond all measure, or CONNECT. */
export interface Garbage {
  /** Node's code of the error, or `CONNECT`. */
  readonly code: string;
  readonly status: number;
  readonly sourceAddress: string | undefined;
}

export interface Listener {
  readonly port: number;
  /** Takes no more connections, lets go of idle ones, cuts the rest after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** TLS listener of the API proxy: HTTP/2 or HTTP/1.1, whatever the caller offers. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, port, tlsDirectory, logger, onRequest } = options;
  const server = createSecureServer({
    ...readCertificate(tlsDirectory),
    minVersion: 'TLSv1.2',
    allowHTTP1: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    handshakeTimeout: handshakeMs,
    maxSessionMemory: sessionMegabytes,
    maxHeaderListPairs: mostHeaderPairs,
    settings: { maxConcurrentStreams: streamsPerConnection, maxHeaderListSize: largestHeaderBytes },
  } as Parameters<typeof createSecureServer>[0]);
  Object.assign(server, http1Limits);
  server.maxConnections = mostConnections;
  if (options.connections !== undefined) boundConnections(server, options.connections);
  server.on('request', onRequest);
  server.on('connect', onRequestOrSocket(options));
  for (const event of ['checkContinue', 'checkExpectation']) server.on(event, onRequest);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const code = error.code ?? 'unknown';
    const sourceAddress = socket.remoteAddress;
    options.onGarbage({ code, status: refuseBytes(socket, code), sourceAddress });
  });
  const connections = track(server);
  const release = keepCertificate(server, tlsDirectory, logger);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  server.on('error', (error) => logger.error({ err: error }, 'api proxy: listener'));
  return {
    port: (server.address() as AddressInfo).port,
    drain: async (graceMs) => {
      release();
      await drain(server, connections, graceMs);
    },
  };
}

/** CONNECT comes with a socket over HTTP/1, with a response over HTTP/2. */
function onRequestOrSocket({ onRequest, onGarbage }: ListenerOptions) {
  return (request: AnyRequest, response: AnyResponse | Socket): void => {
    if ('writeHead' in response) {
      onRequest(request, response);
      return;
    }
    onGarbage({ code: 'CONNECT', status: 403, sourceAddress: response.remoteAddress });
    refuse(response, { status: 403, message: 'CONNECT is not allowed: this API is read-only' });
  };
}

/** Returns the status of the answer; 0 = none, since nobody is there to read it. */
function refuseBytes(socket: Socket, code: string): number {
  if (code === 'ECONNRESET') {
    socket.destroy();
    return 0;
  }
  const [status, message] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ([431, 'the headers are too large'] as const)
      : ([400, 'this is no well-formed HTTP request'] as const);
  refuse(socket, { status, message });
  return status;
}

/** An answer to something that is no request; none where another answer is under way. */
function refuse(socket: Socket, failure: Failure): void {
  if (!socket.writable || answering(socket)) {
    socket.destroySoon();
    return;
  }
  const body = statusObject(failure);
  const headers = { ...statusHeaders(failure), connection: 'close', 'content-length': String(Buffer.byteLength(body)) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${failure.status} Refused\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
}

/** Node keeps the HTTP/1 answer that is under way with its socket, but declares no type for it. */
function answering(socket: object): boolean {
  return (socket as { _httpMessage?: { headersSent: boolean } | null })._httpMessage?.headersSent === true;
}

interface Connections {
  readonly sessions: Set<Http2Session>;
  readonly sockets: Set<Socket>;
}

/** Idle HTTP/2 connections are let go of; those with an open watch are not idle, however silent it is. */
function track(server: Http2SecureServer): Connections {
  const sessions = new Set<Http2Session>();
  const sockets = new Set<Socket>();
  server.on('secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    let open = 0;
    const rest = (): void => void session.setTimeout(open === 0 ? idleSessionMs : 0);
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
    session.on('timeout', () => session.close());
    session.on('stream', (stream) => {
      open += 1;
      rest();
      stream.once('close', () => {
        open -= 1;
        if (!session.destroyed) rest();
      });
    });
    rest();
  });
  return { sessions, sockets };
}

async function drain(server: Http2SecureServer, { sessions, sockets }: Connections, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const session of sessions) session.close();
  const idle = setInterval(() => closeIdle(server), 25);
  const cut = setTimeout(() => {
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
  }, graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

/** Node gives the server its HTTP/1 connections' list, but no type for it. */
function closeIdle(server: object): void {
  (server as { closeIdleConnections?: () => void }).closeIdleConnections?.();
}
