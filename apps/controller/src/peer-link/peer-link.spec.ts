import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { heartbeat, EventStreamParser } from '#protocol';
import { comesTrue, serverCertificate } from '#testing';
import { defaultPacing } from './pacing.js';
import { PeerLink } from './peer-link.js';

const asked: string[] = [];
let answerStream: (response: ServerResponse, nth: number) => void = () => undefined;
let server: Server;
let link: PeerLink | undefined;

function answer({ url = '' }: IncomingMessage, response: ServerResponse): void {
  asked.push(url);
  if (url.endsWith('/stream')) answerStream(response, asked.filter((path) => path === url).length);
  else response.writeHead(200, { 'content-type': 'application/json', etag: '"1"' }).end('{}');
}

beforeAll(async () => {
  server = createServer(serverCertificate(), answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});

afterEach(async () => {
  await link?.stop();
  asked.length = 0;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function listen(): PeerLink {
  link = new PeerLink(
    {
      endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`,
      given: { insecureSkipVerify: true },
      tls: { insecureSkipVerify: true },
      document: 'federation',
    },
    {
      token: () => Promise.resolve('token'),
      eventParser: () => new EventStreamParser(1024),
      clock: { now: () => Date.now() },
      random: () => 0.5,
      pacing: defaultPacing,
      onHeard: () => undefined,
    },
  );
  link.authorise('uuid-b');
  return link;
}

function streaming(link: PeerLink): Promise<void> {
  return comesTrue(() => link.hearing().mode === 'stream');
}

function open(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(heartbeat());
}

describe('the private channel of a link', () => {
  it('asks for the stream again, and soon, when the peer came to know us between the stream and the poll', async () => {
    answerStream = (response, nth) => (nth === 1 ? void response.writeHead(401).end() : open(response));
    await streaming(listen());
    expect(asked).toEqual(['/metadata/private/federation/stream', '/metadata/private/federation.json', asked[0]]);
  });

  it('does not call it a stream while something between holds its bytes back: documents are polled', async () => {
    answerStream = (response, nth) => {
      if (nth > 1) open(response);
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).end();
    };
    const listening = listen();
    await streaming(listening);
    expect(asked[1]).toBe('/metadata/private/federation.json');
    expect(listening.hearing().privateDocument?.body).toBe('{}');
  });
});
