import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { comesTrue } from '#testing';
import { ApiReaches } from './api-reaches.js';

const good = { ok: true, reason: 'Succeeded', message: 'it answers', at: 1 };

describe('what the way out says of peers’ API servers', () => {
  let server: Server;
  let answers: (() => number)[];
  const asked = { times: 0 };
  const told: (boolean | undefined)[] = [];
  const ending = new AbortController();

  beforeEach(async () => {
    server = createServer((_request, response) => {
      asked.times += 1;
      const status = (answers.shift() ?? ((): number => 200))();
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ west: good }));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });

  afterEach(() => {
    ending.abort();
    server.closeAllConnections();
    server.close();
  });

  it('is kept over one question that is not answered, and gone with the second', async () => {
    const { port } = server.address() as AddressInfo;
    const say = (status: number) => () => status;
    answers = [200, 503, 200, 503, 503, 503, 200].map(say);
    const reaches = new ApiReaches(`http://127.0.0.1:${port}`, () => told.push(reaches.get('west')?.ok), 5);
    reaches.start(ending.signal);
    await comesTrue(() => asked.times >= 9);
    expect(told).toEqual([true, false, true]);
  });
});
