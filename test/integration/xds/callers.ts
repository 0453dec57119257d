import { request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import type { ClientHttp2Session } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Identity } from './identities.js';

/** One answer on an HTTP/2 session: status and the identity header that the application saw. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A connection with a workload certificate. Rejects when none comes about. */
export function tls(identity: Identity, port: number, alpn: string[]): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      cert: identity.chain,
      key: identity.key,
      rejectUnauthorized: false,
      ALPNProtocols: alpn,
      servername: 'echo',
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Whether bytes come back from the TCP application. */
export async function reached(identity: Identity, port: number): Promise<boolean> {
  try {
    const { socket } = await echoing(identity, port);
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

/** Whether the application's greeting arrives before anything was sent. */
export async function greeted(identity: Identity, port: number): Promise<boolean> {
  const socket = await tls(identity, port, ['istio']);
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('data', () => {
      resolve(true);
      socket.destroy();
    });
    socket.once('close', () => resolve(false));
  });
}

/** A connection on which bytes have come back; `ended` when it closes. Rejects when none do. */
export async function echoing(identity: Identity, port: number): Promise<{ socket: TLSSocket; ended: Promise<void> }> {
  const socket = await tls(identity, port, ['istio']);
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (data) => (String(data).includes('hello') ? resolve() : undefined));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.write('hello');
  });
  socket.on('error', () => undefined);
  return { socket, ended };
}

/** Whether bytes still come back on an open connection. */
export function echoes(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
    if (socket.destroyed) resolve(false);
    else socket.write('hello');
  });
}

/** Answer to one request of a session. */
export function get(session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': '/', ...headers });
    let status = 0;
    let body = '';
    stream.on('response', (fields) => (status = Number(fields[':status'])));
    stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    stream.on('end', () => resolve({ status, body }));
    stream.on('error', reject);
    stream.end();
  });
}

/** Status of a request without TLS; undefined when the connection is closed instead. */
export async function plainStatus(port: number): Promise<number | undefined> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).status;
  } catch {
    return undefined;
  }
}

/** Whether bytes come back from the TCP application without TLS; false = refused by a close. Rejects when nothing comes: that shows no refusal. */
export async function plainReached(port: number): Promise<boolean> {
  const heard = await plainHears(port, 'hello', 'hello');
  if (heard === 'nothing') throw new Error(`port ${port}: neither an echo nor a close within ${silentMs} ms`);
  return heard === 'words';
}

/** Whether the application's greeting arrives without TLS before anything was sent; a proxy that waits for the caller's first bytes is silent. */
export async function plainGreeted(port: number): Promise<boolean> {
  return (await plainHears(port, '', 'greeting')) === 'words';
}

const silentMs = 2000;

function plainHears(port: number, said: string, words: string): Promise<'words' | 'close' | 'nothing'> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(said));
    const end = (heard: 'words' | 'close' | 'nothing'): void => {
      resolve(heard);
      socket.destroy();
    };
    socket.on('data', (data) => (String(data).includes(words) ? end('words') : undefined));
    socket.on('error', () => end('close')).on('close', () => end('close'));
    socket.setTimeout(silentMs, () => end('nothing'));
  });
}

/** Answer of a proxy's outbound port to a request for a host. */
export function answerTo(port: number, host: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, headers: { host } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}
