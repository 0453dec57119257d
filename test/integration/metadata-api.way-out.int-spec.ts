import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import type { WayOutPeer } from '#model';
import { generateSigningKey } from '#trust';
import { startAuditedCluster, startDoorProcess } from '../harness/api-door.js';
import type { AuditedCluster, DoorProcess } from '../harness/api-door.js';
import { bulkMegabytes, bulkPath, createBulkList, peakMemory, readSlowly } from '../harness/bulk-list.js';
import { freePort, hookTimeoutMs, waitFor } from '../harness/child.js';
import { TestPeer } from '../harness/door.js';
import { machineAddress } from '../harness/machine-address.js';
import { writeServingCertificate } from '../harness/serving-certificate.js';
import { hashOf, startWayOutProcess } from '../harness/way-out.js';
import type { WayOutProcess } from '../harness/way-out.js';

const minute = 60_000;
/** Both cut after ten seconds what does not end. */
const stopMs = 30_000;
const namespaces = '/api/v1/namespaces';
const watchNodes = '/api/v1/nodes?watch=true';
const directory = mkdtempSync(join(tmpdir(), 'isthmus-way-out-'));
const address = machineAddress();
/** Where our own API server would listen beside the address that the way out itself uses (RFC 5737). */
const ownApiServer = '192.0.2.7';
/** Credential of the one reader for each of the bad peers. */
const credential = 'a-credential-that-no-log-may-show';
const readers = [{ reader: 'mesh', sha256: hashOf(credential) }];

jest.setTimeout(2 * minute);

describe('the way out, between a reader and the doors of others', () => {
  const servers: Server[] = [];
  let cluster: AuditedCluster;
  let self: TestPeer;
  let door: DoorProcess;
  let wayOut: WayOutProcess;
  let agent: Agent;

  beforeAll(async () => {
    cluster = await startAuditedCluster(directory);
    self = new TestPeer('IstioMulticluster', 'reader');
    await cluster.leader.trust([self.trusted()]);
    await cluster.leader.publish('{}', '1');
    await cluster.admit(self);
    const much = { ISTHMUS_SOURCE_RATE: '100000', ISTHMUS_SOURCE_BURST: '100000' };
    const rates = { ISTHMUS_API_PEER_RATE: '100000', ISTHMUS_API_PEER_BURST: '100000' };
    const limits = { ...much, ...rates, ISTHMUS_API_WATCHES_PER_PEER: '5000', ISTHMUS_LISTEN_HOST: '0.0.0.0' };
    door = await startDoorProcess(cluster, directory, limits, { addresses: [address] });
    const apiHost = `${address}:${door.apiPort}`;
    const environment = { ISTHMUS_PROBE_MS: '1000', ISTHMUS_STUCK_MS: '8000' };
    wayOut = await startWayOutProcess({ cluster, self, apiHost, ca: door.ca, directory, environment });
    agent = new Agent({ connect: { ca: wayOut.ca }, allowH2: true, headersTimeout: 60_000, bodyTimeout: 0 });
  }, hookTimeoutMs);

  afterAll(async () => {
    await agent?.destroy();
    await wayOut?.stop(stopMs);
    await door?.stop(stopMs);
    for (const server of servers) server.closeAllConnections();
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    await cluster?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function ask(path: string, by = wayOut.credential, prefix = wayOut.prefix): Promise<Dispatcher.ResponseData> {
    const headers = { authorization: `Bearer ${by}` };
    return request(`https://127.0.0.1:${wayOut.port}${prefix}${path}`, { dispatcher: agent, headers });
  }

  async function status(path: string, by?: string): Promise<number> {
    const { statusCode, body } = await ask(path, by);
    await body.dump();
    return statusCode;
  }

  /** A watch that runs; what comes on it is collected. */
  async function watch(
    path = watchNodes,
  ): Promise<{ readonly ended: Promise<void>; readonly text: () => string; readonly open: () => boolean }> {
    const { statusCode, body } = await ask(path);
    expect(statusCode).toBe(200);
    let text = '';
    let over = false;
    const ended = new Promise<void>((resolve) => {
      body.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      body.on('close', () => {
        over = true;
        resolve();
      });
      body.on('error', () => resolve());
    });
    return { ended, text: () => text, open: () => !over };
  }

  async function reaches(): Promise<Readonly<Record<string, { ok: boolean; reason: string; message: string }>>> {
    const { body } = await request(`http://127.0.0.1:${wayOut.httpPort}/healthz/peers`);
    return (await body.json()) as Awaited<ReturnType<typeof reaches>>;
  }

  describe('peers that are not as they should be', () => {
    type Answer = (request: IncomingMessage, response: ServerResponse) => void;
    const json = { 'content-type': 'application/json' };
    const version = '{"major":"1"}';
    const rows: readonly (readonly [name: string, answer: Answer | string, status: number, reason: string])[] = [
      ['unreachable', 'closed', 503, 'Unreachable'],
      ['unresolvable', 'no-such-host.invalid:6443', 503, 'Unreachable'],
      ['loopback', '127.0.0.1:6443', 502, 'AddressRefused'],
      ['loopback-by-name', 'localhost:6443', 502, 'AddressRefused'],
      ['loopback-in-ipv6', '[::1]:6443', 502, 'AddressRefused'],
      ['loopback-mapped', '[::ffff:127.0.0.1]:6443', 502, 'AddressRefused'],
      ['link-local', '169.254.169.254:443', 502, 'AddressRefused'],
      ['our-own-api-server', `${ownApiServer}:6443`, 502, 'AddressRefused'],
      ['certified-by-another', 'other', 502, 'TLSVerifyFailed'],
      ['another-peer', 'door', 502, 'TokenRejected'],
      ['refusing', (_request, response) => response.writeHead(401, json).end('{}'), 502, 'TokenRejected'],
      ['without-rights', (_request, response) => response.writeHead(403, json).end('{}'), 403, 'Forbidden'],
      [
        'speaking-html',
        (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
        502,
        'DocumentInvalid',
      ],
      [
        'redirecting',
        (_request, response) => response.writeHead(302, { location: 'https://127.0.0.1/' }).end(),
        502,
        'DocumentInvalid',
      ],
      ['cut-short', (_request, response) => cutShort(response), 200, 'Succeeded'],
      ['endless', (asked, response) => endless(asked, response), 200, 'Succeeded'],
      ['silent', () => undefined, 504, 'Unreachable'],
    ];
    const answers = new Map<string, Promise<Dispatcher.ResponseData>>();
    const askOf = (name: string): Promise<Dispatcher.ResponseData> => ask(namespaces, credential, `/peers/${name}`);

    /**
     * What a peer's first answer came to. Another than is wanted may be the way out's, which waits five seconds for a connection: this process,
     * which has most of these peers, may stand still for longer. Such a one is asked again.
     */
    const answerOf = async (name: string, wanted: number): Promise<Dispatcher.ResponseData | undefined> => {
      let answer = await answers.get(name);
      for (let again = 0; again < 2 && name !== 'silent' && answer?.statusCode !== wanted; again += 1) {
        await answer?.body.dump();
        answer = await askOf(name);
      }
      return answer;
    };

    const cutShort = (response: ServerResponse): void => {
      response.writeHead(200, { ...json, 'content-length': '1000' }).write('{"items":[');
      setTimeout(() => response.destroy(), 100);
    };

    /** Its version never ends: nobody may wait for it, nor keep it. */
    const endless = ({ url }: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(200, json);
      if (url !== '/version') {
        response.end(version);
        return;
      }
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 5);
      response.on('close', () => clearInterval(timer));
    };

    async function hostFor(answer: Answer | string): Promise<{ readonly apiHost: string; readonly ca: string }> {
      const folder = mkdtempSync(join(directory, 'peer-'));
      const ca = await writeServingCertificate(folder, [address]);
      if (answer === 'closed') return { apiHost: `${address}:${await freePort()}`, ca };
      if (answer === 'door') return { apiHost: wayOut.door.apiHost, ca: door.ca };
      if (answer === 'other') return { apiHost: wayOut.door.apiHost, ca };
      if (typeof answer === 'string') return { apiHost: answer, ca };
      const [cert, key] = ['tls.crt', 'tls.key'].map((file) => readFileSync(join(folder, file)));
      const server = createServer({ cert, key } as object, answer);
      servers.push(server);
      await new Promise<void>((done) => server.listen(0, '0.0.0.0', done));
      return { apiHost: `${address}:${(server.address() as AddressInfo).port}`, ca };
    }

    beforeAll(async () => {
      const bad: WayOutPeer[] = [];
      for (const [name, answer] of rows) {
        const audience = `uuid-of-${name}`;
        bad.push({ name, audience, insecureSkipVerify: false, readers, ...(await hostFor(answer)) });
      }
      await wayOut.tellPeers([wayOut.door, ...bad], [ownApiServer]);
      await waitFor('the new peers', async () =>
        (await status(namespaces, wayOut.credential)) === 200 ? true : undefined,
      );
      await waitFor('the last of them', async () => {
        const { statusCode, body } = await ask('/version', credential, '/peers/refusing');
        await body.dump();
        return statusCode === 401 ? undefined : true;
      });
      for (const [name] of rows) answers.set(name, askOf(name));
    });

    it('none delays the one that answers', async () => {
      for (let count = 0; count < 20; count += 1) expect(await status(namespaces)).toBe(200);
      const pending = Symbol('pending');
      // The silent one is still waited for: what was answered meanwhile did not wait for it.
      expect(await Promise.race([answers.get('silent'), Promise.resolve(pending)])).toBe(pending);
    });

    it.each(rows)('%s', async (name, _answer, wanted, reason) => {
      const answer = await answerOf(name, wanted);
      const text = (await answer?.body.text().catch((error: unknown) => String(error))) ?? '';
      expect([name, answer?.statusCode]).toEqual([name, wanted]);
      if (wanted >= 500)
        expect(JSON.parse(text)).toMatchObject({
          kind: 'Status',
          status: 'Failure',
          code: wanted,
          message: expect.stringContaining(reason) as unknown,
        });
      const reach = await waitFor(
        `what is known of ${name}`,
        async () => {
          const found = (await reaches())[name];
          return found?.reason === reason ? found : undefined;
        },
        { timeoutMs: minute },
      );
      expect(reach.ok).toBe(reason === 'Succeeded');
    });

    it('a credential is good for its own peer alone, and none of them stands in the log', async () => {
      expect(await status(namespaces, credential)).toBe(401);
      const { statusCode, body } = await ask(namespaces, wayOut.credential, '/peers/refusing');
      await body.dump();
      expect(statusCode).toBe(401);
      const log = readFileSync(wayOut.logFile, 'utf8');
      for (const secret of [credential, wayOut.credential, 'eyJ', self.key.privatePem.split('\n')[1] ?? ''])
        expect(log).not.toContain(secret);
    });
  });

  describe('keys and credentials', () => {
    it('a key that rotates ends no watch; the next request is signed by the new one; the credential is the same', async () => {
      const open = await watch();
      const fresh = generateSigningKey();
      const old = { kid: self.key.kid, privatePem: self.key.privatePem };
      const keys = [...self.trusted().keys, { kid: fresh.kid, pem: fresh.publicPem, state: 'next' as const }];
      await cluster.leader.trust([self.trusted({ keys })]);
      await sleep(500);
      await wayOut.tellKeys([
        { kid: fresh.kid, privatePem: fresh.privatePem, state: 'current' },
        { ...old, state: 'retired', retiredAt: Date.now() },
      ]);
      await sleep(500);
      const before = open.text();
      await cluster.api.client.apply(
        { apiVersion: 'v1', kind: 'Node', metadata: { name: 'after-rotation' } },
        { fieldManager: 'test' },
      );
      await waitFor('the event on the old watch', () => {
        if (open.text() !== before) return true;
        throw new Error(`open: ${String(open.open())}`);
      });
      // From here on the door does not take the old key any more: only what the new one signed is answered.
      const only = [{ kid: fresh.kid, pem: fresh.publicPem, state: 'current' as const }];
      await cluster.leader.trust([self.trusted({ keys: only })]);
      await open.ended;
      // The way out hears of its keys by a watch of its own.
      await waitFor('a request by the new key', async () => ((await status(namespaces)) === 200 ? true : undefined));
      for (let count = 0; count < 10; count += 1) expect(await status(namespaces)).toBe(200);
    });

    it('a certificate of the peer’s door that is announced, used and dropped ends no watch', async () => {
      const open = await watch();
      const other = await writeServingCertificate(mkdtempSync(join(directory, 'next-')), [address]);
      for (const trusted of [`${door.ca}${other}`, other]) {
        await wayOut.tellPeers([{ ...wayOut.door, ca: trusted }]);
        await sleep(500);
        expect(open.open()).toBe(true);
        expect(await status(namespaces)).toBe(200);
      }
      await wayOut.tellPeers([wayOut.door]);
      await sleep(500);
      expect(open.open()).toBe(true);
    });

    it('a credential that is replaced ends its watches, and opens nothing any more', async () => {
      const open = await watch();
      const next = 'the-next-credential';
      await wayOut.tellPeers([{ ...wayOut.door, readers: [{ reader: 'mesh', sha256: hashOf(next) }] }]);
      await open.ended;
      expect(await status(namespaces)).toBe(401);
      expect(await status(namespaces, next)).toBe(200);
      await wayOut.tellPeers([wayOut.door]);
      await waitFor('the first one again', async () => ((await status(namespaces)) === 200 ? true : undefined));
    });

    it('a peer that is taken away takes its watches with it', async () => {
      const open = await watch();
      await wayOut.tellPeers([]);
      await open.ended;
      expect(await status(namespaces)).toBe(401);
      await wayOut.tellPeers([wayOut.door]);
      await waitFor('the peer again', async () => ((await status(namespaces)) === 200 ? true : undefined));
    });
  });

  describe('many and slow readers', () => {
    /** Above each of the two at rest, in MiB. */
    const mostMemory = 160;

    it('a get is answered beside 300 watches of one peer', async () => {
      const open = await Promise.all(Array.from({ length: 300 }, () => patiently()));
      for (let count = 0; count < 5; count += 1) expect(await status(namespaces)).toBe(200);
      for (const { body } of open) drop(body);
    });

    it(
      '1,000 watches opened and dropped leave no more than they need',
      async () => {
        const rest = wayOut.memory();
        for (let round = 0; round < 10; round += 1) {
          const open = await Promise.all(Array.from({ length: 100 }, () => patiently()));
          for (const { body } of open) drop(body);
        }
        // What was just dropped is given back a little later.
        await waitFor('what they need to be all', () => {
          const more = wayOut.memory() - rest;
          if (more < 120) return true;
          throw new Error(`${more} MiB more`);
        });
        await waitFor('all of them to be closed', async () => {
          const watches = (await metrics()).filter((line) => line.includes('watches'));
          if (watches.some((line) => /^isthmus_way_out_watches\{[^}]*\} 0$/.test(line))) return true;
          throw new Error(watches.join('; '));
        });
      },
      4 * minute,
    );

    it(
      'a list of 200 MB comes whole, a slow reader has it at its own pace, who never reads is cut off; none is held on the way',
      async () => {
        await createBulkList(cluster.api.client);
        const rest = { wayOut: wayOut.memory(), door: door.memory() };
        const both = <T>(during: Promise<T>): Promise<readonly [readonly [T, number], number]> =>
          peakMemory(door, rest.door, peakMemory(wayOut, rest.wayOut, during));
        const whole = async (): Promise<number> => {
          let size = 0;
          for await (const chunk of (await ask(bulkPath)).body) size += (chunk as Buffer).length;
          return size;
        };
        const [[size, outMost], doorMost] = await both(whole());
        expect(size).toBeGreaterThan(bulkMegabytes * 1_000_000);
        expect(Math.max(outMost, doorMost)).toBeLessThan(mostMemory);

        // A part does for these: no buffer on the way holds one, and three of them that were held would be too much.
        const never = await Promise.all([1, 2, 3].map(() => ask(`${bulkPath}?limit=60`)));
        // Last, and read at once: it must not be taken for one that never reads. All of it: held alone, it would be too much.
        const slow = await ask(bulkPath);
        const [[read, outSlow], doorSlow] = await both(readSlowly(slow.body, 5_000));
        expect(read).toBeGreaterThan(1_000_000);
        expect(read).toBeLessThan(bulkMegabytes * 1_000_000);
        expect(Math.max(outSlow, doorSlow)).toBeLessThan(mostMemory);
        // Beside four bodies that stand still, a get is answered.
        expect(await status(namespaces)).toBe(200);
        drop(slow.body);
        const stuck = /^isthmus_way_out_ends_total\{[^}]*end="stuck"[^}]*\} 3$/;
        await waitFor(
          'those that never read to be cut off',
          async () => ((await metrics()).some((line) => stuck.test(line)) ? true : undefined),
          { timeoutMs: minute },
        );
        const cut = await Promise.allSettled(never.map(({ body }) => body.text()));
        expect(cut.map((each) => each.status)).toEqual(['rejected', 'rejected', 'rejected']);
        await waitFor('nothing to be open on the way', async () =>
          (await metrics()).some((line) => /^isthmus_way_out_requests_open\{[^}]*\} 0$/.test(line)) ? true : undefined,
        );
      },
      10 * minute,
    );

    async function metrics(): Promise<readonly string[]> {
      const { body } = await request(`http://127.0.0.1:${wayOut.httpPort}/metrics`);
      return (await body.text()).split('\n');
    }

    /** The API server answers 429 to many at once (priority and fairness), which is passed on: the reader comes again. */
    async function patiently(): Promise<Dispatcher.ResponseData> {
      return waitFor(
        'a watch',
        async () => {
          const answer = await ask(watchNodes);
          if (answer.statusCode === 200) return answer;
          await answer.body.dump();
          return undefined;
        },
        { timeoutMs: minute },
      );
    }

    function drop(body: Dispatcher.ResponseData['body']): void {
      body.on('error', () => undefined);
      body.destroy();
    }
  });
});
