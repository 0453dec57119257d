import { createHmac, randomUUID, sign } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { silentLogger } from '#kube';
import type { ApiObject } from '#kube';
import { EventStreamParser } from '#protocol';
import type { ServerSentEvent } from '#protocol';
import { openStore } from '#store';
import type { Store, StoredAuditRow } from '#store';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { ownUUID, startDoor, TestLeader, TestPeer, whileStoreAnswers } from '../harness/door.js';
import type { TestDoor } from '../harness/door.js';
import { leastOf } from '../harness/rounds.js';
import { temporaryDirectory } from '../harness/postgres.js';
import { writeServingCertificate } from '../harness/serving-certificate.js';

const federationPath = '/metadata/private/federation.json';
const multiclusterPath = '/metadata/private/multicluster.json';
const streamPath = '/metadata/private/federation/stream';
const publicPath = '/metadata/public/public.json';
const minute = 60_000;

jest.setTimeout(2 * minute);

interface RevokedEvent extends ApiObject {
  readonly reason?: string;
  readonly regarding: { readonly name?: string };
}

/** A stream as a peer reads it. */
class Reader {
  readonly events: ServerSentEvent[] = [];
  readonly ended: Promise<void>;
  raw = '';

  constructor(body: AsyncIterable<Uint8Array>) {
    const parser = new EventStreamParser(1 << 20);
    this.ended = (async () => {
      for await (const chunk of body) {
        this.raw += Buffer.from(chunk).toString();
        this.events.push(...parser.push(Buffer.from(chunk).toString()));
      }
    })();
    this.ended.catch(() => undefined);
  }

  event(index: number): Promise<ServerSentEvent> {
    return waitFor(`event ${index}`, () => this.events[index]);
  }
}

describe('metadata-api on a real API server and a real PostgreSQL', () => {
  const directory = temporaryDirectory();
  const alpha = new TestPeer('IstioFederation', 'alpha');
  const beta = new TestPeer('IstioFederation', 'beta');
  const gamma = new TestPeer('IstioMulticluster', 'gamma');
  const legacy = new TestPeer('IstioFederation', 'legacy', false);
  const everyone = [alpha, beta, gamma, legacy];
  let api: ApiServer;
  let store: Store;
  let leader: TestLeader;
  let door: TestDoor;

  beforeAll(async () => {
    api = await startApiServer();
    store = openStore({ dataDirectory: directory, logger: silentLogger });
    leader = new TestLeader(api.client);
    await leader.prepare();
    await leader.trust(everyone.map((peer) => peer.trusted()));
    await leader.publish('{"clusterUUID":"own"}', '7');
    for (const peer of everyone) await leader.document(peer, `{"for":"${peer.name}"}`, '100');
    await store.ready;
    door = await startDoor({ client: api.limited, store, directory });
  }, hookTimeoutMs);
  afterAll(async () => {
    await door?.close();
    await store?.close();
    await api?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const bodyOf = async (peer: TestPeer, scope: 'private-federation' | 'private-multicluster', path: string) => {
    const answer = await door.getAs(peer, scope, path);
    return [answer.statusCode, await answer.body.text()];
  };

  describe('public', () => {
    it('serves the leader’s bytes, with ETag and 304', async () => {
      const first = await door.get(publicPath);
      expect([first.statusCode, first.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
      expect(await first.body.text()).toBe('{"clusterUUID":"own"}');
      const etag = String(first.headers['etag']);
      expect(etag).toMatch(/^"[\w-]+"$/);
      const again = await door.get(publicPath, { 'if-none-match': `"other", W/${etag}` });
      expect([again.statusCode, await again.body.text()]).toEqual([304, '']);
      await leader.publish('{"clusterUUID":"own","v":2}', '8');
      await waitFor('new document', async () => {
        const { statusCode, body } = await door.get(publicPath, { 'if-none-match': etag });
        return (await body.text()) === '{"clusterUUID":"own","v":2}' && statusCode === 200 ? true : undefined;
      });
    });

    it('serves the SPIFFE bundle and an OpenAPI document', async () => {
      const bundle = await door.get('/metadata/public/spiffe-bundle-endpoint');
      expect(await bundle.body.json()).toEqual({ keys: [], spiffe_sequence: 1 });
      const description = (await (await door.get('/metadata/openapi.json')).body.json()) as { paths: object };
      expect(Object.keys(description.paths).sort()).toEqual(
        [federationPath, streamPath, multiclusterPath, '/metadata/private/multicluster/stream', publicPath]
          .concat('/metadata/public/spiffe-bundle-endpoint')
          .sort(),
      );
    });

    it.each([
      ...['/', '/metadata', '/metadata/private', '/metadata/public/%2e%2e/x', '/healthz', '/metrics'],
      ...['/METADATA/PRIVATE/federation.json', '/metadata/private/federation.json/', '/metadata/public/Public.json'],
      ...['/metadata/openapi.json/', '/metadata/openapi.json/x', '/metadata/OpenAPI.json'],
    ])('answers 404 to %s', async (path) => {
      const answer = await door.get(path);
      expect([answer.statusCode, await answer.body.json()]).toEqual([
        404,
        { error: 'not-found', message: expect.any(String) },
      ]);
    });
  });

  describe('other methods than GET and HEAD', () => {
    const ask = async (method: Dispatcher.HttpMethod, path: string): Promise<readonly unknown[]> => {
      const url = `https://127.0.0.1:${door.running.httpsPort}${path}`;
      const { statusCode, headers, body } = await request(url, { method, dispatcher: door.agent });
      const { error } = (await body.json()) as { error: string };
      return [statusCode, error, headers['allow']];
    };
    const methods = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

    it.each([publicPath, '/metadata/openapi.json', federationPath, multiclusterPath, streamPath])(
      'answers 405 to all of them on %s',
      async (path) => {
        const answers = await Promise.all(methods.map((method) => ask(method, path)));
        expect(answers).toEqual(methods.map(() => [405, 'method-not-allowed', 'GET, HEAD']));
      },
    );

    it('answers 404 where no such path is', async () => {
      const answers = await Promise.all(methods.map((method) => ask(method, '/metadata/private/other.json')));
      expect(answers).toEqual(methods.map(() => [404, 'not-found', undefined]));
    });

    it('answers HEAD as GET, without the body', async () => {
      const url = `https://127.0.0.1:${door.running.httpsPort}${publicPath}`;
      const { statusCode, headers, body } = await request(url, { method: 'HEAD', dispatcher: door.agent });
      const whole = await (await door.get(publicPath)).body.text();
      expect([statusCode, headers['content-length'], await body.text()]).toEqual([200, String(whole.length), '']);
    });
  });

  describe('private', () => {
    it('shows each peer exactly what was made for it', async () => {
      expect(await bodyOf(alpha, 'private-federation', federationPath)).toEqual([200, '{"for":"alpha"}']);
      expect(await bodyOf(beta, 'private-federation', federationPath)).toEqual([200, '{"for":"beta"}']);
      expect(await bodyOf(gamma, 'private-multicluster', multiclusterPath)).toEqual([200, '{"for":"gamma"}']);
    });

    it('answers 304 with a known ETag', async () => {
      const first = await door.getAs(alpha, 'private-federation', federationPath);
      await first.body.text();
      const headers = { 'if-none-match': String(first.headers['etag']) };
      const again = await door.getAs(alpha, 'private-federation', federationPath, headers);
      expect([again.statusCode, await again.body.text()]).toEqual([304, '']);
    });

    it('takes a legacy token without jti, again and again', async () => {
      const now = Math.floor(Date.now() / 1000);
      const token = jws(legacy, {
        iss: 'd8-istio',
        sub: legacy.uuid,
        aud: [ownUUID],
        scope: 'private-federation',
        nbf: now,
        exp: now + 60,
      });
      for (let i = 0; i < 2; i += 1) {
        const answer = await door.get(federationPath, { authorization: `Bearer ${token}` });
        expect([answer.statusCode, await answer.body.text()]).toEqual([200, '{"for":"legacy"}']);
      }
    });

    it('puts a document of several shards together, and waits while they do not fit', async () => {
      const long = JSON.stringify({ noise: Array.from({ length: 500 }, () => randomUUID()) });
      await leader.document(beta, long, '101', 3);
      await waitFor('shards', async () =>
        (await bodyOf(beta, 'private-federation', federationPath))[1] === long ? true : undefined,
      );
      await leader.document(beta, '{"for":"beta"}', '102');
      await waitFor('one', async () =>
        (await bodyOf(beta, 'private-federation', federationPath))[1] === '{"for":"beta"}' ? true : undefined,
      );
    });

    it('says 503 with Retry-After while nothing was written for the peer, and never shows what was made for another UUID', async () => {
      const twin = new TestPeer('IstioFederation', 'alpha');
      await leader.trust([...everyone.filter((peer) => peer !== alpha), twin].map((peer) => peer.trusted()));
      const answer = await waitFor('trust', async () => {
        const found = await door.getAs(twin, 'private-federation', federationPath);
        const text = await found.body.text();
        return found.statusCode === 403 ? undefined : { found, text };
      });
      expect([answer.found.statusCode, answer.found.headers['retry-after']]).toEqual([503, '1']);
      expect(answer.text).not.toContain('alpha');
      await leader.trust(everyone.map((peer) => peer.trusted()));
      await waitFor('trust again', async () =>
        (await bodyOf(alpha, 'private-federation', federationPath))[0] === 200 ? true : undefined,
      );
    });
  });

  describe('bad tokens (P4.2, P4.3)', () => {
    const seconds = (): number => Math.floor(Date.now() / 1000);
    const claims = (over: object = {}): object => ({
      iss: 'd8-istio',
      sub: alpha.uuid,
      aud: ownUUID,
      scope: 'private-federation',
      iat: seconds(),
      nbf: seconds(),
      exp: seconds() + 60,
      jti: randomUUID(),
      ...over,
    });
    const cases: readonly (readonly [string, number, () => string | undefined])[] = [
      ['no header', 401, () => undefined],
      ['no token', 401, () => 'Bearer '],
      ['another scheme', 401, () => 'Basic dTpw'],
      ['garbage', 400, () => 'Bearer garbage'],
      ['two parts', 400, () => 'Bearer a.b'],
      ['parts that are no JSON', 400, () => 'Bearer AAAA.AAAA.AAAA'],
      ['payload that is a list', 400, () => `Bearer ${jws(alpha, [] as never)}`],
      ['short signature', 400, () => `Bearer ${jws(alpha, claims()).slice(0, -20)}`],
      ['larger than 8 KiB', 431, () => `Bearer ${jws(alpha, claims({ pad: 'x'.repeat(9_000) }))}`],
      ['alg none', 401, () => `Bearer ${encode({ alg: 'none' })}.${encode(claims())}.`],
      ['alg HS256 keyed with the public key', 401, () => `Bearer ${hmac(alpha, claims())}`],
      ['alg ES256', 401, () => `Bearer ${jws(alpha, claims(), { alg: 'ES256' })}`],
      ['crit header', 400, () => `Bearer ${jws(alpha, claims(), { crit: ['x'], x: 1 })}`],
      ['signature of another peer', 401, () => `Bearer ${jws(beta, claims())}`],
      ['changed payload', 401, () => `Bearer ${changed(jws(alpha, claims()), claims({ exp: seconds() + 200 }))}`],
      ['unknown kid', 401, () => `Bearer ${jws(alpha, claims(), { kid: 'nobody' })}`],
      [
        'unknown key of nobody',
        403,
        () => `Bearer ${jws(new TestPeer('IstioFederation', 'x'), claims({ sub: randomUUID() }))}`,
      ],
      ['iss of another', 401, () => `Bearer ${jws(alpha, claims({ iss: 'somebody' }))}`],
      ['iss missing', 401, () => `Bearer ${jws(alpha, claims({ iss: undefined }))}`],
      ['aud of another', 401, () => `Bearer ${jws(alpha, claims({ aud: randomUUID() }))}`],
      ['aud an empty list', 401, () => `Bearer ${jws(alpha, claims({ aud: [] }))}`],
      ['expired', 401, () => `Bearer ${jws(alpha, claims({ exp: seconds() - 60 }))}`],
      ['exp missing', 401, () => `Bearer ${jws(alpha, claims({ exp: undefined }))}`],
      ['exp a text', 401, () => `Bearer ${jws(alpha, claims({ exp: '9999999999' }))}`],
      ['exp 400 s ahead', 401, () => `Bearer ${jws(alpha, claims({ exp: seconds() + 400 }))}`],
      ['exp a year ahead', 401, () => `Bearer ${jws(alpha, claims({ exp: seconds() + 31_536_000 }))}`],
      ['nbf ahead', 401, () => `Bearer ${jws(alpha, claims({ nbf: seconds() + 60 }))}`],
      ['nbf missing', 401, () => `Bearer ${jws(alpha, claims({ nbf: undefined }))}`],
      ['iat ahead', 401, () => `Bearer ${jws(alpha, claims({ iat: seconds() + 60 }))}`],
      ['jti missing of a peer that signs', 401, () => `Bearer ${jws(alpha, claims({ jti: undefined }))}`],
      ['jti of 200 characters', 401, () => `Bearer ${jws(alpha, claims({ jti: 'x'.repeat(200) }))}`],
      ['scope of another route', 403, () => `Bearer ${jws(alpha, claims({ scope: 'private-multicluster' }))}`],
      ['scope api', 403, () => `Bearer ${jws(alpha, claims({ scope: 'api' }))}`],
      ['kind that does not grant it', 403, () => `Bearer ${jws(gamma, claims({ sub: gamma.uuid }))}`],
    ];

    it.each(cases)('%s: %i', async (_name, status, header) => {
      const authorization = header();
      const answer = await door.get(federationPath, authorization === undefined ? {} : { authorization });
      const body = (await answer.body.json()) as { error: string; message: string };
      expect({ status: answer.statusCode, body }).toMatchObject({ status, body: { error: expect.any(String) } });
      expect(JSON.stringify(body)).not.toContain('eyJ');
    });

    it('accepts a token once, also when two requests race', async () => {
      const authorization = `Bearer ${alpha.token('private-federation')}`;
      const answers = await Promise.all([1, 2, 3, 4].map(() => door.get(federationPath, { authorization })));
      const statuses = answers.map((answer) => answer.statusCode).sort();
      await Promise.all(answers.map((answer) => answer.body.text()));
      expect(statuses).toEqual([200, 401, 401, 401]);
    });

    it(
      'does not let sixty bad tokens a second delay good ones',
      async () => {
        /** Milliseconds that all but two of sixty good requests stay below. */
        const almostSlowest = async (): Promise<number> => {
          const times: number[] = [];
          for (let i = 0; i < 60; i += 1) {
            const started = performance.now();
            expect((await bodyOf(alpha, 'private-federation', federationPath))[0]).toBe(200);
            times.push(performance.now() - started);
            await sleep(30);
          }
          return times.sort((a, b) => a - b)[57] ?? Infinity;
        };
        const inFlood = async (): Promise<number> => {
          const flood = new AbortController();
          const flooding = (async () => {
            while (!flood.signal.aborted) {
              void door
                .get(federationPath, { authorization: `Bearer ${jws(beta, claims())}` })
                .then((answer) => answer.body.text());
              await sleep(1000 / 60);
            }
          })();
          try {
            return await almostSlowest();
          } finally {
            flood.abort();
            await flooding;
          }
        };
        // As on an idle machine, or as it was a moment ago on a busy one.
        const slowdown = async (): Promise<number> => {
          const quiet = await almostSlowest();
          return (await inFlood()) / Math.max(150, 5 * quiet);
        };
        expect(await leastOf(3, 1, slowdown)).toBeLessThan(1);
      },
      4 * minute,
    );

    it('writes no token and no key to the log', () => {
      const log = door.lines.join('');
      expect(log).not.toMatch(/eyJ[\w-]+\.|PRIVATE KEY|Bearer /);
    });
  });

  describe('malformed requests', () => {
    const send = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port: door.running.httpsPort, host: '127.0.0.1', rejectUnauthorized: false });
        let answer = '';
        socket.on('data', (chunk) => (answer += chunk.toString()));
        socket.on('close', () => resolve(answer));
        socket.on('error', reject);
        socket.write(text);
      });
    const close = 'Host: x\r\nConnection: close\r\n';

    it.each<[string, string, RegExp]>([
      ['not HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
      [
        'header of 20 KiB',
        `GET ${publicPath} HTTP/1.1\r\n${close}X: ${'x'.repeat(20_000)}\r\n\r\n`,
        /^HTTP\/1\.1 431 /,
      ],
      ['path of 20 KiB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${close}\r\n`, /^HTTP\/1\.1 431 /],
      ['undecodable path', `GET /metadata/%zz HTTP/1.1\r\n${close}\r\n`, /^HTTP\/1\.1 40[04] /],
      [
        'POST with a body',
        `POST ${federationPath} HTTP/1.1\r\n${close}Content-Length: 5\r\n\r\nhello`,
        /^HTTP\/1\.1 405 /,
      ],
      [
        'both lengths',
        `POST ${publicPath} HTTP/1.1\r\n${close}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
    ])('%s', async (_name, text, expected) => {
      expect(await send(text)).toMatch(expected);
    });
  });

  describe('streams', () => {
    /** Number of the document that was last made for alpha. */
    let latest = 100;

    const open = async (peer: TestPeer, headers: Readonly<Record<string, string>> = {}): Promise<Reader> => {
      const answer = await door.getAs(peer, 'private-federation', streamPath, headers);
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
      return new Reader(answer.body);
    };

    it('sends the document, then every new one within 250 ms, to its peer only', async () => {
      const mine = await open(alpha);
      const other = await open(beta);
      expect(await mine.event(0)).toEqual({ event: 'document', id: '100', data: '{"for":"alpha"}' });
      await other.event(0);
      const onTheWay = async (): Promise<number> => {
        const before = mine.events.length;
        latest += 100;
        const data = `{"for":"alpha","v":${latest}}`;
        await leader.document(alpha, data, String(latest));
        const written = performance.now();
        expect(await mine.event(before)).toEqual({ event: 'document', id: String(latest), data });
        return performance.now() - written;
      };
      expect(await leastOf(5, 250, onTheWay)).toBeLessThan(250);
      expect(other.events).toHaveLength(1);
      expect(mine.raw.startsWith(': heartbeat\n\n')).toBe(true);
    });

    it('honours Last-Event-ID', async () => {
      const current = await open(alpha, { 'last-event-id': String(latest) });
      const behind = await open(alpha, { 'last-event-id': '100' });
      expect((await behind.event(0)).id).toBe(String(latest));
      latest += 100;
      await leader.document(alpha, '{"for":"alpha","v":3}', String(latest));
      expect((await current.event(0)).id).toBe(String(latest));
    });

    it.each<[string, () => Promise<void>]>([
      ['the peer is gone', () => leader.trust(everyone.filter((peer) => peer !== alpha).map((peer) => peer.trusted()))],
      [
        'its scope is gone',
        () => leader.trust(everyone.map((peer) => peer.trusted(peer === alpha ? { scopes: [] } : {}))),
      ],
      [
        'its key was withdrawn',
        () => leader.trust(everyone.map((peer) => peer.trusted(peer === alpha ? { keys: [] } : {}))),
      ],
    ])('ends at once when %s, and others stay', async (_name, cut) => {
      const other = await open(beta);
      let otherEnded = false;
      void other.ended.then(() => (otherEnded = true)).catch(() => undefined);
      const toItsEnd = async (): Promise<number> => {
        const mine = await open(alpha);
        await mine.event(0);
        await cut();
        const written = performance.now();
        await mine.ended;
        const took = performance.now() - written;
        expect(otherEnded).toBe(false);
        await leader.trust(everyone.map((peer) => peer.trusted()));
        await waitFor('trust again', async () =>
          (await bodyOf(alpha, 'private-federation', federationPath))[0] === 200 ? true : undefined,
        );
        return took;
      };
      expect(await leastOf(3, 1_000, toItsEnd)).toBeLessThan(1_000);
    });

    it('ends when the key of its token is dropped, and no Event says that the peer lost its trust', async () => {
      const revoked = async (name: string): Promise<number> => {
        const events = await api.client.list<RevokedEvent>('/apis/events.k8s.io/v1/namespaces/default/events');
        return events.filter(({ reason, regarding }) => reason === 'Revoked' && regarding.name === name).length;
      };
      const old = new TestPeer('IstioFederation', 'beta');
      const retired = { kid: old.key.kid, pem: old.key.publicPem, state: 'retired' as const };
      const rotating = beta.trusted({ keys: [...beta.trusted().keys, retired] });
      await leader.trust(everyone.map((peer) => (peer === beta ? rotating : peer.trusted())));
      const signedByOld = await waitFor('a stream by the old key', async () => {
        const now = Math.floor(Date.now() / 1000);
        const claims = {
          iss: 'd8-istio',
          sub: beta.uuid,
          aud: ownUUID,
          scope: 'private-federation',
          jti: randomUUID(),
        };
        const token = jws(old, { ...claims, iat: now, nbf: now, exp: now + 60 });
        const answer = await door.get(streamPath, { authorization: `Bearer ${token}` });
        if (answer.statusCode === 200) return new Reader(answer.body);
        await answer.body.dump();
        return undefined;
      });
      const untrusted = await open(alpha);
      await Promise.all([signedByOld.event(0), untrusted.event(0)]);
      // What the case before cut is said by now.
      await sleep(1_000);
      const before = { alpha: await revoked('alpha'), beta: await revoked('beta') };
      await leader.trust(everyone.map((peer) => peer.trusted(peer === alpha ? { scopes: [] } : {})));
      await Promise.all([signedByOld.ended, untrusted.ended]);
      await waitFor('the Event on who lost its trust', async () =>
        (await revoked('alpha')) > before.alpha ? true : undefined,
      );
      // What was cut together is said together: one of the other would be there by now.
      await sleep(200);
      expect(await revoked('beta')).toBe(before.beta);
      await leader.trust(everyone.map((peer) => peer.trusted()));
      await waitFor('trust again', async () =>
        (await bodyOf(alpha, 'private-federation', federationPath))[0] === 200 ? true : undefined,
      );
    });

    it('bounds the streams of one peer', async () => {
      const readers: Reader[] = [];
      let refused: string | undefined;
      for (let i = 0; i < 20 && refused === undefined; i += 1) {
        const answer = await door.getAs(gamma, 'private-multicluster', '/metadata/private/multicluster/stream');
        if (answer.statusCode === 200) readers.push(new Reader(answer.body));
        else refused = `${answer.statusCode} ${await answer.body.text()}`;
      }
      expect(readers).toHaveLength(8);
      expect(refused).toMatch(/^429 .*stream-limit/);
    });
  });

  it('leaves an audit row of every private fetch: peer, what, result', async () => {
    const everyRow = { limit: 10_000 };
    await bodyOf(alpha, 'private-federation', federationPath);
    await (await door.getAs(gamma, 'private-federation', federationPath)).body.text();
    // Once the flood of bad tokens went beyond the limit of rows, what is left out is summed up, by status. A slow machine's flood is none.
    const flood = async (): Promise<void> => {
      const answers = await Promise.all(Array.from({ length: 150 }, () => door.get(federationPath)));
      await Promise.all(answers.map(({ body }) => body.dump()));
    };
    const sum = async (): Promise<StoredAuditRow | undefined> => {
      const all = await store.audit.list(everyRow);
      const found = all.find(({ action, status }) => action === 'requests of nobody identified' && status === 401);
      if (found === undefined) await flood();
      return found;
    };
    const summed = await waitFor('the sum of what was left out', sum, { everyMs: 2_000, timeoutMs: minute });
    expect([summed.peer ?? null, summed.sourceAddress]).toEqual([null, '127.0.0.1']);
    expect(summed.detail).toMatch(/^\d+ more since 20\S+Z: \S+ \d+/);
    let rows: readonly StoredAuditRow[] = [];
    const said = (peer: string | null, status: number, detail: RegExp): boolean =>
      rows.some(
        (row) =>
          (row.peer ?? null) === peer &&
          row.status === status &&
          detail.test(row.detail ?? '') &&
          row.action === `GET ${federationPath}`,
      );
    await waitFor('the row of the last fetch', async () => {
      await store.audit.flush();
      rows = await store.audit.list(everyRow);
      return said('multicluster/gamma', 403, /kind/) ? true : undefined;
    });
    expect(said('federation/alpha', 200, /^seq=/)).toBe(true);
    expect(said('federation/alpha', 401, /replayed/)).toBe(true);
    expect(said(null, 401, /no-token/)).toBe(true);
    expect(rows.some(({ action, status }) => action === `DELETE ${federationPath}` && status === 405)).toBe(true);
    const streamed = rows.filter((row) => row.action === `GET ${streamPath}` && row.peer === 'federation/alpha');
    expect(streamed.map((row) => row.detail)).toEqual(
      expect.arrayContaining(['seq=100', 'seq=200', 'stream ended: untrusted']),
    );
    expect(rows.every((row) => row.sourceAddress === '127.0.0.1')).toBe(true);
  });

  it('serves a renewed certificate without a restart, open streams stay', async () => {
    const stream = await door.getAs(beta, 'private-federation', streamPath);
    const reader = new Reader(stream.body);
    await reader.event(0);
    const before = await serverCertificate(door.running.httpsPort);
    await writeServingCertificate(door.tlsDirectory);
    await waitFor('new certificate', async () =>
      (await serverCertificate(door.running.httpsPort)) === before ? undefined : true,
    );
    await leader.document(beta, '{"for":"beta","v":9}', '900');
    expect((await reader.event(1)).id).toBe('900');
  });

  it('counts, and says in its readiness how the store is', async () => {
    expect(await door.side('/readyz')).toMatchObject({
      status: 200,
      text: expect.stringContaining('kept by the embedded store, for this replica alone'),
    });
    const metrics = (await door.side('/metrics')).text;
    for (const name of ['requests_total', 'refusals_total', 'streams', 'documents_streamed_total']) {
      expect(metrics).toContain(`isthmus_door_${name}`);
    }
  });
});

describe('metadata-api, limits and replicas', () => {
  const directory = temporaryDirectory();
  const alpha = new TestPeer('IstioFederation', 'alpha');
  let api: ApiServer;
  let store: Store;

  beforeAll(async () => {
    api = await startApiServer();
    store = openStore({ dataDirectory: directory, logger: silentLogger });
    const leader = new TestLeader(api.client);
    await leader.prepare();
    await leader.trust([alpha.trusted()]);
    await leader.publish('{}', '1');
    await leader.document(alpha, '{"for":"alpha"}', '1');
    await store.ready;
  }, hookTimeoutMs);
  afterAll(async () => {
    await store?.close();
    await api?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('limits a source before it looks at tokens, a peer after', async () => {
    const limits = {
      ISTHMUS_PEER_RATE: '1',
      ISTHMUS_PEER_BURST: '3',
      ISTHMUS_SOURCE_RATE: '1',
      ISTHMUS_SOURCE_BURST: '20',
    };
    const door = await startDoor({ client: api.limited, store, directory, environment: limits });
    const ask = async (): Promise<string> => {
      const answer = await door.getAs(alpha, 'private-federation', federationPath);
      const { error = 'ok' } = (await answer.body.json()) as { error?: string };
      if (answer.statusCode === 429) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      return error;
    };
    const started = performance.now();
    const reasons = [await ask(), await ask(), await ask()];
    expect(reasons).toEqual(['ok', 'ok', 'ok']);
    const count = (among: readonly string[], reason: string): number => among.filter((one) => one === reason).length;
    // Ten at once, since one after the other a slow machine stays below the rates: the peer's burst is exceeded long before the source's.
    let round: readonly string[] = [];
    let firstRefused: readonly string[] | undefined;
    while (count(round, 'source-limit') < 2 && reasons.length < 200) {
      round = await Promise.all(Array.from({ length: 10 }, ask));
      reasons.push(...round);
      if (round.length > count(round, 'ok')) firstRefused ??= round;
    }
    const seconds = (performance.now() - started) / 1000;
    expect(new Set(firstRefused?.filter((reason) => reason !== 'ok'))).toEqual(new Set(['peer-limit']));
    expect(count(round, 'source-limit')).toBeGreaterThanOrEqual(2);
    expect(count(reasons, 'ok')).toBeLessThanOrEqual(3 + Math.ceil(seconds));
    await door.close();
  });

  it('lets no source hold all connections, however silent they are', async () => {
    const environment = { ISTHMUS_CONNECTIONS_PER_SOURCE: '20' };
    const door = await startDoor({ client: api.limited, store, directory, environment });
    const silent = (patienceMs = 500): Promise<'held' | 'closed'> =>
      new Promise((done) => {
        const socket = connectPlain({ host: '127.0.0.1', port: door.running.httpsPort, localAddress: '127.0.0.2' });
        sockets.push(socket);
        socket.on('error', () => done('closed'));
        socket.on('close', () => done('closed'));
        setTimeout(() => done('held'), patienceMs);
      });
    const sockets: Socket[] = [];
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => silent())))).toEqual(new Set(['held']));
    // Below the ten seconds after which each of them is closed that has not become TLS.
    expect(await silent(5_000)).toBe('closed');
    const answer = await door.getAs(alpha, 'private-federation', federationPath);
    await answer.body.dump();
    expect(answer.statusCode).toBe(200);
    expect((await door.side('/metrics')).text).toMatch(/refusals_total\{[^}]*reason="connections"[^}]*\} 1\n/);
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor('places that are free again', async () => ((await silent()) === 'held' ? true : undefined));
    for (const socket of sockets) socket.destroy();
    await door.close();
  });

  it('refuses in one replica what was used in another, and says so when it cannot know', async () => {
    const one = await startDoor({ client: api.limited, store, directory });
    const away = openStore({
      databaseUrl: 'postgres://127.0.0.1:1/none',
      dataDirectory: directory,
      logger: silentLogger,
    });
    const two = await startDoor({ client: api.limited, store, directory });
    const alone = await startDoor({ client: api.limited, store: away, directory });
    const statuses = async (doors: readonly TestDoor[]): Promise<readonly number[]> => {
      const headers = { authorization: `Bearer ${alpha.token('private-federation')}` };
      const found: number[] = [];
      for (const door of doors) {
        const answer = await door.get(federationPath, headers);
        await answer.body.text();
        found.push(answer.statusCode);
      }
      return found;
    };
    expect(await whileStoreAnswers([one, two], () => statuses([one, two, one]))).toEqual([200, 401, 401]);
    expect(await statuses([alone, alone])).toEqual([200, 401]);
    expect((await alone.side('/metrics')).text).toMatch(/replay_memory_only_total\{[^}]*\} 1\n/);
    expect(await alone.side('/readyz')).toMatchObject({
      status: 200,
      text: expect.stringContaining('in this process memory only'),
    });
    await Promise.all([one.close(), two.close(), alone.close()]);
    await away.close();
  });

  it('drains: not ready, streams ended in good order, open requests answered, then gone', async () => {
    const door = await startDoor({
      client: api.limited,
      store,
      directory,
      environment: { ISTHMUS_DRAIN_DELAY_MS: '10000' },
    });
    const reader = new Reader((await door.getAs(alpha, 'private-federation', streamPath)).body);
    await reader.event(0);
    const drained = door.running.drain();
    expect((await door.side('/readyz')).status).toBe(503);
    const late = await door.getAs(alpha, 'private-federation', federationPath);
    expect([late.statusCode, late.headers['connection'], await late.body.text()]).toEqual([
      200,
      'close',
      '{"for":"alpha"}',
    ]);
    await reader.ended;
    const started = performance.now();
    await drained;
    // What does not end is cut after ten seconds.
    expect(performance.now() - started).toBeLessThan(8_000);
    await expect(door.get(publicPath)).rejects.toThrow();
    await door.agent.destroy();
  });

  it('goes on with what it knows while the API server is dead', async () => {
    const door = await startDoor({ client: api.limited, store, directory });
    await api.kill();
    const answer = await door.getAs(alpha, 'private-federation', federationPath);
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, '{"for":"alpha"}']);
    expect((await door.side('/readyz')).status).toBe(200);
    await api.restart();
    await door.close();
  });
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function jws(peer: TestPeer, claims: object, header: object = {}): string {
  const input = `${encode({ alg: 'EdDSA', kid: peer.key.kid, ...header })}.${encode(claims)}`;
  return `${input}.${sign(null, Buffer.from(input), peer.key.privatePem).toString('base64url')}`;
}

function hmac(peer: TestPeer, claims: object): string {
  const input = `${encode({ alg: 'HS256', kid: peer.key.kid })}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', peer.key.publicPem).update(input).digest('base64url')}`;
}

function changed(token: string, claims: object): string {
  const [head, , tail] = token.split('.');
  return `${head}.${encode(claims)}.${tail}`;
}

function serverCertificate(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
