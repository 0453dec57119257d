import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import { Passthrough } from '#kube';
import { createLogger } from '#platform';
import { comesTrue } from '#testing';
import { Forwarding } from './forward.js';
import { Reply } from './reply.js';
import type { ReplyEnd } from './reply.js';

const logger = createLogger({ app: 'spec', level: 'silent' });

/** An API server that behaves as told, at HTTP/1.1, and a door in front of it. */
class Pair {
  readonly ends: ReplyEnd[] = [];
  refreshed = 0;
  asked = 0;
  mayAnswer: Promise<void> | undefined;
  readonly #servers: Server[] = [];
  #passthrough: Passthrough | undefined;
  url = '';
  /** A busy machine may take nothing for a while, too. */
  stuckMs = 20_000;

  async start(behave: (asked: number) => RequestListener): Promise<void> {
    const upstream = await this.#listen((incoming, outgoing) => behave(++this.asked)(incoming, outgoing));
    const passthrough = new Passthrough({
      server: upstream,
      tls: () => ({}),
      headers: () => Promise.resolve({ authorization: 'Bearer own' }),
      refresh: () => void (this.refreshed += 1),
    });
    this.#passthrough = passthrough;
    this.url = await this.#listen((incoming, outgoing) => {
      const reply = new Reply(outgoing, incoming.url?.includes('watch') === true, this.stuckMs);
      void reply.ended.then((end) => this.ends.push(end));
      const asked = {
        method: 'GET',
        target: incoming.url ?? '',
        headers: { 'impersonate-user': 'peer' },
        long: false,
      } as const;
      const { mayAnswer } = this;
      mayAnswer?.catch(() => reply.fail({ status: 401, message: 'no' }));
      const more = mayAnswer === undefined ? {} : { mayAnswer };
      new Forwarding({ passthrough, reply, logger, request: asked, onBytes: () => 0, ...more }).start();
    });
  }

  async ask(target = '/x'): Promise<{ status: number; headers: object; body: string }> {
    const { statusCode, headers, body } = await request(`${this.url}${target}`);
    return { status: statusCode, headers, body: await body.text() };
  }

  async stop(): Promise<void> {
    await this.#passthrough?.close();
    for (const server of this.#servers) server.closeAllConnections();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    this.#servers.push(server);
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    });
  }
}

describe('one exchange with the API server', () => {
  let pair: Pair;
  const paired = (behave: (asked: number) => RequestListener): Promise<void> => {
    pair = new Pair();
    return pair.start(behave);
  };
  afterEach(() => pair.stop());

  it('passes status, body and harmless headers on, and adds our credential alone', async () => {
    await paired(() => (incoming, outgoing) => {
      outgoing.writeHead(404, { 'content-type': 'a/b', 'set-cookie': 'x=y', 'x-internal': 'z' });
      outgoing.end(JSON.stringify(incoming.headers));
    });
    const { status, headers, body } = await pair.ask();
    expect([status, headers]).toEqual([404, expect.objectContaining({ 'content-type': 'a/b' })]);
    expect(headers).not.toHaveProperty('set-cookie');
    expect(headers).not.toHaveProperty('x-internal');
    expect(JSON.parse(body)).toMatchObject({ authorization: 'Bearer own', 'impersonate-user': 'peer' });
    expect(pair.ends).toEqual(['done']);
  });

  it.each([301, 302, 307, 308])('neither follows nor passes on a redirect (%i)', async (status) => {
    await paired(() => (_incoming, outgoing) => {
      outgoing.writeHead(status, { location: 'https://169.254.169.254/' });
      outgoing.end('secret');
    });
    const answer = await pair.ask();
    expect(answer.status).toBe(502);
    expect(answer.headers).not.toHaveProperty('location');
    expect(answer.body).not.toContain('secret');
    expect(pair.asked).toBe(1);
  });

  it('reads its own credential anew after a 401, once, and never blames the caller', async () => {
    await paired((asked) => (_incoming, outgoing) => {
      outgoing.writeHead(asked === 1 ? 401 : 200).end('body');
    });
    expect(await pair.ask()).toMatchObject({ status: 200, body: 'body' });
    expect(pair.refreshed).toBe(1);
  });

  it('says 503 where the API server goes on refusing our own credential', async () => {
    await paired(() => (_incoming, outgoing) => void outgoing.writeHead(401).end());
    const { status, body } = await pair.ask();
    expect([status, JSON.parse(body)]).toEqual([503, expect.objectContaining({ kind: 'Status', code: 503 })]);
    expect(pair.asked).toBe(2);
  });

  it('tries again when the connection dies under a request, once', async () => {
    await paired((asked) => (incoming, outgoing) => {
      if (asked === 1) incoming.socket.destroy();
      else outgoing.end('whole');
    });
    expect(await pair.ask()).toMatchObject({ status: 200, body: 'whole' });
    expect(pair.asked).toBe(2);
  });

  it('says 503 when there is no answer at all', async () => {
    await paired(() => (incoming) => void incoming.socket.destroy());
    expect((await pair.ask()).status).toBe(503);
    expect(pair.asked).toBe(2);
  });

  it('breaks off where the API server breaks off: half a list is not taken for a list', async () => {
    await paired(() => (incoming, outgoing) => {
      outgoing.write('half');
      setTimeout(() => incoming.socket.destroy(), 50);
    });
    await expect(pair.ask()).rejects.toThrow();
    expect(pair.ends).toEqual(['failed']);
  });

  describe('an answer that may not begin yet', () => {
    const big = 'x'.repeat(1_000_000);
    const behaviours: readonly [string, RequestListener, string][] = [
      ['short', (_incoming, outgoing) => void outgoing.end('body'), 'body'],
      ['large', (_incoming, outgoing) => void outgoing.end(big), big],
      [
        'ended by its connection',
        (incoming, outgoing) => {
          outgoing.useChunkedEncodingByDefault = false;
          outgoing.removeHeader('connection');
          outgoing.writeHead(200, { connection: 'close' }).end('to the end');
          outgoing.on('finish', () => incoming.socket.end());
        },
        'to the end',
      ],
    ];

    it.each(behaviours)('%s: waits, and comes whole then', async (_what, behave, whole) => {
      let allow: () => void = () => undefined;
      pair = new Pair();
      pair.mayAnswer = new Promise((resolve) => (allow = resolve));
      await pair.start(() => behave);
      let answered = false;
      const asking = pair.ask().finally(() => (answered = true));
      await comesTrue(() => pair.asked === 1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(answered).toBe(false);
      allow();
      expect(await asking).toMatchObject({ status: 200, body: whole });
      expect(pair.ends).toEqual(['done']);
    });

    it.each(behaviours)('%s: says nothing of itself where it never may', async (_what, behave) => {
      pair = new Pair();
      pair.mayAnswer = new Promise((_resolve, reject) => setTimeout(() => reject(new Error('used')), 100));
      await pair.start(() => behave);
      const { status, body } = await pair.ask();
      expect([status, JSON.parse(body)]).toEqual([401, expect.objectContaining({ message: 'no' })]);
      expect(pair.ends).toEqual(['refused']);
    });

    it('is asked for anew where the connection dies meanwhile', async () => {
      let allow: () => void = () => undefined;
      pair = new Pair();
      pair.mayAnswer = new Promise((resolve) => (allow = resolve));
      await pair.start((asked) => (incoming, outgoing) => {
        if (asked > 1) {
          outgoing.end('whole');
          return;
        }
        outgoing.writeHead(200, { 'content-length': '100' }).write('half');
        setTimeout(() => incoming.socket.resetAndDestroy(), 50);
      });
      const asking = pair.ask();
      await comesTrue(() => pair.asked === 2);
      allow();
      expect(await asking).toMatchObject({ status: 200, body: 'whole' });
    });
  });

  it('cuts off a reader that takes nothing', async () => {
    await paired(() => (_incoming, outgoing) => {
      for (let i = 0; i < 400; i += 1) outgoing.write(Buffer.alloc(100_000));
    });
    pair.stuckMs = 200;
    const { body } = await request(`${pair.url}/x`);
    body.on('error', () => undefined);
    await comesTrue(() => pair.ends.length > 0);
    expect(pair.ends).toEqual(['stuck']);
  });
});
