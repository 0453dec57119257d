import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serverCertificate } from '#testing';
import { fetchDocument, PeerConnection, streamDocuments } from './index.js';
import type { EventParser, FetchOutcome, StreamEnd } from './index.js';

const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/ok.json': (request, response) => {
    if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
    else response.writeHead(200, { 'content-type': 'application/json', etag: '"1"' }).end('{"a":1}');
  },
  '/page': (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  '/huge': (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.on('error', () => undefined);
    for (let index = 0; index < 64; index += 1) response.write('x'.repeat(64 * 1024));
    response.end();
  },
  '/slow': (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{'),
  '/cut': (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
    response.write('{', () => response.destroy());
  },
  '/moved': (_request, response) => response.writeHead(302, { location: '/ok.json' }).end(),
  '/no': (_request, response) => response.writeHead(401).end(),
  '/busy': (_request, response) => response.writeHead(429).end(),
  '/broken': (_request, response) => response.writeHead(500).end(),
  '/stream': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`${request.headers['last-event-id'] ?? 'none'}\n`);
  },
};
/** What never ends is waited for briefly; all else may come late from a busy machine. */
const deadlineOf = (path: string): number => (['/slow', '/held-back'].includes(path) ? 700 : 20_000);
let server: Server;
let base = '';
let ca = '';

beforeAll(async () => {
  const { key, cert } = serverCertificate();
  ca = cert;
  server = createServer({ key, cert }, (request, response) => {
    (routes[request.url ?? ''] ?? ((_in, out) => out.writeHead(404).end()))(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function get(
  path: string,
  options: { trusted?: boolean; etag?: string; token?: string } = {},
): Promise<FetchOutcome> {
  const connection = new PeerConnection(options.trusted === false ? {} : { ca });
  try {
    return await fetchDocument(connection, {
      url: `${base}${path}`,
      ...(options.etag === undefined ? {} : { etag: options.etag }),
      ...(options.token === undefined ? {} : { token: options.token }),
      limits: { maximumBytes: 1024 * 1024, deadlineMs: deadlineOf(path) },
      signal: new AbortController().signal,
    });
  } finally {
    await connection.close();
  }
}

describe('fetchDocument', () => {
  it('brings the exact bytes with validator and the peer’s clock', async () => {
    const outcome = await get('/ok.json');
    expect(outcome).toMatchObject({ kind: 'document', body: '{"a":1}', etag: '"1"' });
    expect(outcome.kind === 'document' && Math.abs((outcome.peerTime ?? 0) - Date.now())).toBeLessThan(5_000);
  });

  it('honours an ETag', async () => {
    expect(await get('/ok.json', { etag: '"1"' })).toEqual({ kind: 'unchanged' });
  });

  it.each([
    ['/page', 'InvalidDocument', 'text/html'],
    ['/huge', 'InvalidDocument', 'larger than'],
    ['/slow', 'Unreachable', 'no whole answer'],
    ['/cut', 'Unreachable', 'spec.metadataEndpoint'],
    ['/moved', 'Unreachable', 'never followed'],
    ['/no', 'TokenRejected', '401'],
    ['/busy', 'RateLimited', '429'],
    ['/broken', 'Unreachable', '500'],
  ])('answers %s with %s', async (path, reason, words) => {
    const outcome = await get(path, { token: 'very-secret' });
    expect(outcome).toMatchObject({ kind: 'failed', reason });
    expect(outcome.kind === 'failed' && outcome.message).toContain(words);
    expect(JSON.stringify(outcome)).not.toContain('very-secret');
  });

  it('refuses a certificate it cannot verify and says what to set', async () => {
    const outcome = await get('/ok.json', { trusted: false });
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'TLSVerifyFailed' });
    expect(outcome.kind === 'failed' && outcome.message).toContain('spec.metadata.ca');
  });

  it('says unreachable when nobody listens', async () => {
    const connection = new PeerConnection({ ca });
    const outcome = await fetchDocument(connection, {
      url: 'https://127.0.0.1:1/x',
      limits: { maximumBytes: 1, deadlineMs: 20_000 },
      signal: new AbortController().signal,
    });
    await connection.close();
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'Unreachable' });
  });
});

describe('streamDocuments', () => {
  const oneEventPerLine = (): EventParser => ({
    push: (chunk) =>
      chunk
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => ({ event: 'document', id: line, data: line })),
  });

  async function stream(path: string, lastEventId?: string): Promise<{ end: StreamEnd; seen: string[] }> {
    const connection = new PeerConnection({ ca });
    const seen: string[] = [];
    const end = await streamDocuments(connection, {
      url: `${base}${path}`,
      token: 't',
      ...(lastEventId === undefined ? {} : { lastEventId }),
      limits: { maximumBytes: 1024, deadlineMs: deadlineOf(path) },
      parser: oneEventPerLine(),
      silenceMs: 300,
      signal: new AbortController().signal,
      onOpen: () => seen.push('open'),
      onDocument: (document) => seen.push(document.data),
    });
    await connection.close();
    return { end, seen };
  }

  it('delivers events and tells the last one it has', async () => {
    expect(await stream('/stream', '7')).toEqual({ end: { kind: 'ended' }, seen: ['open', '7'] });
  });

  it('knows a legacy peer by its missing path', async () => {
    expect(await stream('/absent')).toMatchObject({ end: { kind: 'failed', status: 404 }, seen: [] });
  });

  it('is not open by headers alone: what stands between may hold the rest back', async () => {
    routes['/held-back'] = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    expect(await stream('/held-back')).toMatchObject({ end: { kind: 'failed', reason: 'Unreachable' }, seen: [] });
  });

  it('gives up on silence', async () => {
    routes['/silent'] = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('1\n');
    const { end, seen } = await stream('/silent');
    expect(seen).toEqual(['open', '1']);
    expect(end).toMatchObject({ kind: 'failed', reason: 'Unreachable' });
  });
});
