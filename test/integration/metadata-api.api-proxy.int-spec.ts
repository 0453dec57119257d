import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { silentLogger } from '#kube';
import type { ApiObject } from '#kube';
import { openStore } from '#store';
import type { Store, StoredAuditRow } from '#store';
import {
  readableGroups,
  readableResources,
  reviewResources,
} from '../../apps/metadata-api/src/api-proxy/readable-resources.js';
import { forge, H2Connection, sendRaw, startAuditedCluster, startDoorProcess } from '../harness/api-door.js';
import type { AuditedCluster, DoorProcess } from '../harness/api-door.js';
import { bulkMegabytes, bulkPath, createBulkList, peakMemory, readSlowly } from '../harness/bulk-list.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { ownUUID, TestPeer, whileStoreAnswers } from '../harness/door.js';
import { leastOf } from '../harness/rounds.js';
import { startPostgres, temporaryDirectory } from '../harness/postgres.js';
import type { PostgresServer } from '../harness/postgres.js';

const program = 'dist/apps/metadata-api/src/main.js';
const minute = 60_000;
/** A door that drains cuts after ten seconds what does not end. */
const stopMs = 30_000;
/** Promised of watches whose peer's trust has changed. */
const watchEndMs = 1_000;
const watchNodes = '/api/v1/nodes?watch=true';

jest.setTimeout(3 * minute);

type Asker = Pick<TestPeer, 'token'>;

interface OpenDoor {
  readonly process: DoorProcess;
  /** Who asks it. */
  readonly agent: Agent;
}

interface Status {
  readonly kind: string;
  readonly code: number;
  readonly reason: string;
}

describe('API proxy in front of a real API server', () => {
  const directory = temporaryDirectory();
  const gamma = new TestPeer('IstioMulticluster', 'gamma');
  const delta = new TestPeer('IstioMulticluster', 'delta');
  const legacy = new TestPeer('IstioMulticluster', 'legacy', false);
  const alpha = new TestPeer('IstioFederation', 'alpha');
  const stranger = new TestPeer('IstioMulticluster', 'stranger');
  const everyone = [
    gamma.trusted({ allowReviews: true }),
    delta.trusted(),
    legacy.trusted({ legacyAPITokens: true }),
    alpha.trusted(),
  ];
  const oldKey = { kid: stranger.key.kid, pem: stranger.key.publicPem, state: 'retired' as const };
  const rotating = everyone.map((peer) => (peer.name === 'delta' ? { ...peer, keys: [...peer.keys, oldKey] } : peer));
  const deltaByOldKey: Asker = { token: () => forge(stranger, { aud: ownUUID, sub: delta.uuid }) };
  let cluster: AuditedCluster;
  let postgres: PostgresServer;
  let store: Store;
  let door: DoorProcess;
  let agent: Agent;
  let bulkList: Promise<void> | undefined;
  const withBulkList = (): Promise<void> => (bulkList ??= createBulkList(cluster.api.client));

  beforeAll(async () => {
    if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`);
    postgres = startPostgres();
    cluster = await startAuditedCluster(directory);
    const { leader, api } = cluster;
    await leader.trust(everyone);
    await leader.publish('{}', '1');
    await cluster.admit(gamma, ['isthmus-peer-reader', 'isthmus-peer-reviewer']);
    await cluster.admit(delta);
    await cluster.admit(legacy);
    await api.client.create(service('web'));
    await api.client.create(secret('treasure'));
    store = openStore({ databaseUrl: postgres.url, dataDirectory: directory, logger: silentLogger });
    await store.ready;
    ({ process: door, agent } = await openDoor('main', { ISTHMUS_API_STUCK_MS: '8000' }));
  }, hookTimeoutMs);
  afterAll(async () => {
    await agent?.destroy();
    await door?.stop(stopMs);
    await store?.close();
    await cluster?.stop();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const doorEnvironment = (): Readonly<Record<string, string>> => ({
    DATABASE_URL: postgres.url,
    ISTHMUS_SOURCE_BURST: '100000',
    ISTHMUS_SOURCE_RATE: '100000',
    ISTHMUS_API_PEER_BURST: '100000',
    ISTHMUS_API_PEER_RATE: '100000',
    ISTHMUS_API_WATCHES_PER_PEER: '1100',
  });

  /** A door in a process of its own: the short times that some cases ask for cut nothing that others hold open. */
  const openDoor = async (name: string, environment: Readonly<Record<string, string>> = {}): Promise<OpenDoor> => {
    const folder = join(directory, name);
    mkdirSync(folder);
    const process = await startDoorProcess(cluster, folder, { ...doorEnvironment(), ...environment });
    return { process, agent: new Agent({ connect: { ca: process.ca }, allowH2: false }) };
  };
  const closeDoor = async (opened: OpenDoor | undefined): Promise<void> => {
    await opened?.agent.destroy();
    await opened?.process.stop(stopMs);
  };

  const ask = (
    target: string,
    headers: Readonly<Record<string, string>> = {},
    peer: Asker = gamma,
    at: OpenDoor = { process: door, agent },
  ): Promise<Dispatcher.ResponseData> =>
    request(`https://127.0.0.1:${at.process.apiPort}${target}`, {
      dispatcher: at.agent,
      headers: { authorization: `Bearer ${peer.token('api')}`, ...headers },
    });
  /** Asks until it is answered well: the door has read by then who is trusted. */
  const askTrusted = (target: string, peer: Asker, at?: OpenDoor): Promise<Dispatcher.ResponseData> =>
    waitFor(`a good answer to ${target}`, async () => {
      const answer = await ask(target, {}, peer, at);
      if (answer.statusCode === 200) return answer;
      await answer.body.dump();
      return undefined;
    });
  /** Lets the peer have an old key beside its own, and waits until the door takes what that one signs. */
  const rotate = async (at?: OpenDoor): Promise<void> => {
    await cluster.leader.trust(rotating);
    await (await askTrusted('/api/v1/nodes', deltaByOldKey, at)).body.dump();
  };
  const direct = async (target: string, headers: Readonly<Record<string, string>> = {}): Promise<string> =>
    (await cluster.api.client.request({ method: 'GET', path: target, headers })).body;

  describe('reads', () => {
    it.each([
      '/version',
      '/api',
      '/apis',
      '/api/v1',
      '/apis/networking.istio.io/v1',
      '/api/v1/services',
      '/api/v1/namespaces/default/services/web',
      '/api/v1/namespaces?limit=1',
      '/api/v1/nodes',
      '/apis/apps/v1/replicasets',
      '/apis/discovery.k8s.io/v1/endpointslices',
      '/apis/networking.istio.io/v1/namespaces/default/virtualservices',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.networking.istio.io',
    ])('%s: what the API server itself says', async (target) => {
      const answer = await ask(target);
      expect(answer.statusCode).toBe(200);
      const text = await answer.body.text();
      const own = await direct(target);
      const plain = (body: string): string => body.replaceAll(/"(resourceVersion|continue)":"[^"]*"/g, '');
      expect(plain(text)).toBe(plain(own));
    });

    it('passes protobuf, tables and compressed lists untouched', async () => {
      const protobuf = await ask('/api/v1/services', { accept: 'application/vnd.kubernetes.protobuf' });
      expect(protobuf.headers['content-type']).toBe('application/vnd.kubernetes.protobuf');
      expect(
        Buffer.from(await protobuf.body.arrayBuffer())
          .subarray(0, 4)
          .toString('latin1'),
      ).toBe('k8s\0');
      const table = await ask('/api/v1/services', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
      expect(await table.body.json()).toMatchObject({ kind: 'Table' });
      const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      const zipped = await ask(crds, { 'accept-encoding': 'gzip' });
      expect(zipped.headers['content-encoding']).toBe('gzip');
      const list = JSON.parse(gunzipSync(Buffer.from(await zipped.body.arrayBuffer())).toString()) as {
        items: object[];
      };
      expect(list.items.length).toBe((JSON.parse(await direct(crds)) as { items: object[] }).items.length);
    });

    it('says what the API server says of what is not there', async () => {
      const answer = await ask('/api/v1/namespaces/default/services/none');
      expect([answer.statusCode, await answer.body.json()]).toEqual([404, expect.objectContaining({ kind: 'Status' })]);
    });

    it('asks in the peer’s own name, and narrows with the peer’s own rights', async () => {
      const seen = cluster.forwarded();
      expect(seen.length).toBeGreaterThan(10);
      expect([...new Set(seen.map(({ impersonatedUser }) => impersonatedUser?.username))]).toEqual([
        'system:serviceaccount:isthmus-peers:peer-gamma',
      ]);
      expect(seen[0]?.impersonatedUser?.groups).toEqual(
        expect.arrayContaining(['system:serviceaccounts:isthmus-peers', 'system:authenticated']),
      );
      const name = 'isthmus-peer-reader-delta';
      const binding = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${name}`;
      await cluster.api.client.delete(binding);
      const refused = await waitFor('the right to be gone', async () => {
        const { statusCode, body } = await ask('/api/v1/services', {}, delta);
        const text = await body.text();
        return statusCode === 403 ? text : undefined;
      });
      expect(refused).toContain('system:serviceaccount:isthmus-peers:peer-delta');
      await cluster.admit(delta);
    });

    it.each(['HTTP/1.1', 'HTTP/2'])(
      'a watch is open at once and each event comes at once, over %s',
      async (version) => {
        const lines: { at: number; name: string }[] = [];
        const read = (chunk: Buffer): void => {
          for (const line of chunk.toString().split('\n').filter(Boolean))
            lines.push({
              at: performance.now(),
              name: (JSON.parse(line) as { object: ApiObject }).object.metadata?.name ?? '',
            });
        };
        const target = '/api/v1/namespaces/default/services?watch=true&resourceVersion=0&allowWatchBookmarks=true';
        const connection = new H2Connection(door);
        let end = (): void => connection.close();
        if (version === 'HTTP/2') {
          const stream = connection.open({ ':path': target, authorization: `Bearer ${gamma.token('api')}` });
          stream.on('data', read);
        } else {
          const answer = await ask(target);
          answer.body.on('data', read);
          end = () => drop(answer);
        }
        const late: number[] = [];
        await waitFor('the present state', () => (lines.some(({ name }) => name === 'web') ? true : undefined));
        for (const round of [1, 2, 3]) {
          const name = `${version === 'HTTP/2' ? 'two' : 'one'}-${round}`;
          await cluster.api.client.create(service(name));
          const created = performance.now();
          const line = await waitFor('the event', () => lines.find((found) => found.name === name), { everyMs: 2 });
          late.push(line.at - created);
        }
        end();
        // What holds events back does so each time, a busy machine now and then.
        expect(Math.min(...late)).toBeLessThan(250);
      },
    );

    it('a watch ends in good order within its life, however long was asked for', async () => {
      const lifeMs = 6_000;
      const brief = await openDoor('brief-watches', { ISTHMUS_API_WATCH_LIFE_MS: String(lifeMs) });
      const started = performance.now();
      const { body } = await ask(`${watchNodes}&timeoutSeconds=3600`, {}, gamma, brief);
      await body.text();
      const lasted = performance.now() - started;
      await closeDoor(brief);
      expect(lasted).toBeGreaterThan(lifeMs * 0.6);
      expect(lasted).toBeLessThan(lifeMs + 9_000);
    });

    it('Secrets: an empty list, also by a selector, an empty watch that ends, and none by name', async () => {
      const before = cluster.forwarded().length;
      const selected = '/api/v1/secrets?fieldSelector=metadata.name%3Dtreasure';
      for (const target of ['/api/v1/secrets?limit=500', selected, '/api/v1/namespaces/default/secrets']) {
        const list = await ask(target);
        expect(await list.body.json()).toEqual({
          kind: 'SecretList',
          apiVersion: 'v1',
          metadata: { resourceVersion: '1' },
          items: [],
        });
      }
      const query = 'watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1';
      const watch = await ask(`/api/v1/namespaces/default/secrets?${query}`);
      expect(JSON.parse(await watch.body.text())).toMatchObject({
        type: 'BOOKMARK',
        object: { kind: 'Secret', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
      });
      const named = await ask('/api/v1/namespaces/default/secrets/treasure');
      expect([named.statusCode, await named.body.json()]).toEqual([403, expect.objectContaining({ kind: 'Status' })]);
      expect(cluster.forwarded().length).toBe(before);
    });

    it('the mesh configuration that an istiod waits for: our trust domain and nothing else', async () => {
      const before = cluster.forwarded().length;
      const mesh = '/api/v1/namespaces/istio-system/configmaps?fieldSelector=metadata.name%3Distio';
      const { items, metadata } = (await (await ask(mesh)).body.json()) as {
        items: readonly { data: unknown }[];
        metadata: { resourceVersion: string };
      };
      expect(items.map(({ data }) => data)).toEqual([{ mesh: 'trustDomain: here.example\n' }]);
      const resumed = await ask(`${mesh}&watch=true&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`);
      expect(await resumed.body.text()).toBe('');
      expect((await ask('/api/v1/namespaces/istio-system/configmaps')).statusCode).toBe(403);
      expect(cluster.forwarded().length).toBe(before);
    });

    it.each([
      [
        'TokenReview',
        '/apis/authentication.k8s.io/v1/tokenreviews',
        { apiVersion: 'authentication.k8s.io/v1', spec: { token: 'x' } },
        { error: expect.stringContaining('token') },
      ],
      [
        'SubjectAccessReview',
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        {
          apiVersion: 'authorization.k8s.io/v1',
          spec: { user: 'admin', groups: ['system:masters'], resourceAttributes: { verb: 'get', resource: 'nodes' } },
        },
        { allowed: true },
      ],
    ])('%s, only of a peer that may', async (kind, path, review, says) => {
      const ask = async (peer: TestPeer): Promise<[number, unknown]> => {
        const answer = await request(`https://127.0.0.1:${door.apiPort}${path}`, {
          method: 'POST',
          dispatcher: agent,
          body: JSON.stringify({ kind, ...review }),
          headers: { authorization: `Bearer ${peer.token('api')}`, 'content-type': 'application/json' },
        });
        return [answer.statusCode, await answer.body.json()];
      };
      expect(await ask(gamma)).toEqual([201, expect.objectContaining({ kind, status: expect.objectContaining(says) })]);
      expect(await ask(delta)).toEqual([403, expect.objectContaining({ kind: 'Status', code: 403 })]);
    });
  });

  describe('hostile requests: none reaches the API server', () => {
    const line = (target: string, method = 'GET'): string => `${method} ${target} HTTP/1.1\r\n`;
    const host = 'Host: api.here.example\r\n';
    const hostile = (target: string, more = '', method = 'GET'): string =>
      `${line(target, method)}${host}User-Agent: hostile\r\nAuthorization: Bearer TOKEN\r\n${more}\r\n`;
    const pods = '/api/v1/pods';
    const reasons = {
      path: 'not in its canonical form',
      target: 'send the path alone',
      http: 'no well-formed HTTP request',
      version: 'speak HTTP/1.1 or HTTP/2',
      framing: 'transfer codings, trailers and expectations are not taken',
      readOnly: 'this API is read-only',
      subresource: 'subresources are not open',
      legacy: 'use the query parameter watch',
      closedPath: 'this path is not open',
      closedKind: 'is not open to peers',
      secrets: 'Secrets are not open',
      upgrade: 'not upgraded',
      impersonation: 'cannot act as somebody else',
      tokenInQuery: 'tokens belong into the header',
    };
    const rows: readonly (readonly [name: string, status: number, says: string, bytes: string])[] = [
      ['dots', 400, reasons.path, hostile('/api/v1/namespaces/../secrets')],
      ['escaped dots', 400, reasons.path, hostile('/api/v1/pods/%2e%2e/secrets')],
      ['escaped dots, upper case', 400, reasons.path, hostile('/api/v1/pods/%2E%2E/secrets')],
      ['escaped dots, twice', 400, reasons.path, hostile('/api/v1/pods/%252e%252e/secrets')],
      ['escaped slash', 400, reasons.path, hostile('/api/v1/namespaces/kube-system%2fsecrets')],
      ['escaped slash, upper case', 400, reasons.path, hostile('/api/v1/namespaces/kube-system%2Fsecrets')],
      ['double slash', 400, reasons.path, hostile('//api/v1/secrets/x')],
      ['double slash inside', 400, reasons.path, hostile('/api//v1/secrets/x')],
      ['semicolon', 400, reasons.path, hostile('/api/v1/pods;a=b')],
      ['semicolon and dots', 400, reasons.path, hostile('/api/v1/pods;/../secrets')],
      ['upper case', 400, reasons.path, hostile('/API/v1/pods')],
      ['upper case of a kind', 400, reasons.path, hostile('/api/v1/Secrets/x')],
      ['trailing dot', 400, reasons.path, hostile('/api/v1/pods./x')],
      ['trailing slash', 400, reasons.path, hostile('/api/v1/pods/')],
      ['backslash', 400, reasons.path, hostile('/api/v1/pods\\x')],
      ['backslash and dots', 400, reasons.path, hostile('/api/v1/pods\\..\\secrets')],
      ['fragment', 400, reasons.path, hostile('/api/v1/pods#/secrets')],
      ['NUL', 400, reasons.http, hostile('/api/v1/pods\0')],
      ['non-ASCII', 400, reasons.http, hostile('/api/v1/p\u00f6ds')],
      ['absolute form', 400, reasons.target, hostile('https://kubernetes.default.svc/api/v1/secrets')],
      ['absolute form of our own', 400, reasons.target, hostile('https://api.here.example/api/v1/pods')],
      ['no path', 400, reasons.target, hostile('*')],
      [
        'X-HTTP-Method-Override',
        403,
        'methods cannot be overridden',
        hostile(pods, 'X-HTTP-Method-Override: DELETE\r\n'),
      ],
      ['HEAD', 403, '', hostile(pods, '', 'HEAD')],
      ['OPTIONS', 403, reasons.readOnly, hostile(pods, '', 'OPTIONS')],
      ['OPTIONS *', 403, reasons.readOnly, hostile('*', '', 'OPTIONS')],
      ['TRACE', 403, reasons.readOnly, hostile(pods, '', 'TRACE')],
      ['CONNECT', 403, reasons.readOnly, hostile('10.96.0.1:443', '', 'CONNECT')],
      [
        'PUT',
        403,
        reasons.readOnly,
        hostile('/api/v1/namespaces/default/services/web', 'Content-Length: 0\r\n', 'PUT'),
      ],
      [
        'PATCH',
        403,
        reasons.readOnly,
        hostile('/api/v1/namespaces/default/services/web', 'Content-Length: 0\r\n', 'PATCH'),
      ],
      ['DELETE', 403, reasons.readOnly, hostile('/api/v1/namespaces/default/services/web', '', 'DELETE')],
      ['DELETE of a collection', 403, reasons.readOnly, hostile('/api/v1/namespaces/default/services', '', 'DELETE')],
      [
        'POST',
        403,
        reasons.readOnly,
        `${hostile('/api/v1/namespaces/default/services', 'Content-Length: 2\r\n', 'POST')}{}`,
      ],
      [
        'POST with a query',
        403,
        reasons.readOnly,
        `${hostile('/api/v1/pods?fieldManager=x&dryRun=All', 'Content-Length: 2\r\n', 'POST')}{}`,
      ],
      ['unknown method', 400, reasons.http, hostile(pods, '', 'FOO')],
      ['method in small letters', 400, reasons.http, hostile(pods, '', 'get')],
      ['watch of what is closed', 403, reasons.closedKind, hostile('/api/v1/configmaps?watch=true&resourceVersion=1')],
      ['Secret by name', 403, reasons.secrets, hostile('/api/v1/namespaces/default/secrets/treasure')],
      ['watch of a Secret', 403, reasons.secrets, hostile('/api/v1/namespaces/default/secrets/treasure?watch=true')],
      ['legacy watch', 403, reasons.legacy, hostile('/api/v1/watch/secrets')],
      ['legacy watch of a namespace', 403, reasons.legacy, hostile('/api/v1/watch/namespaces/default/pods')],
      ['legacy proxy', 403, reasons.legacy, hostile('/api/v1/proxy/namespaces/default/services/web')],
      ['service proxy', 400, reasons.path, hostile('/api/v1/namespaces/default/services/web/proxy/')],
      ['service proxy, no slash', 403, reasons.subresource, hostile('/api/v1/namespaces/default/services/web/proxy')],
      ['node proxy', 403, reasons.subresource, hostile('/api/v1/nodes/n/proxy/metrics')],
      ['log', 403, reasons.subresource, hostile('/api/v1/namespaces/default/pods/p/log')],
      ['exec', 403, reasons.subresource, hostile('/api/v1/namespaces/default/pods/p/exec?command=id')],
      [
        'exec by upgrade',
        403,
        reasons.upgrade,
        hostile('/api/v1/namespaces/default/pods/p/exec', 'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n'),
      ],
      ['attach', 403, reasons.subresource, hostile('/api/v1/namespaces/default/pods/p/attach')],
      ['port-forward', 403, reasons.subresource, hostile('/api/v1/namespaces/default/pods/p/portforward')],
      ['status', 403, reasons.subresource, hostile('/api/v1/namespaces/default/pods/p/status')],
      ['eviction', 403, reasons.subresource, hostile('/api/v1/namespaces/default/pods/p/eviction')],
      ['scale', 403, reasons.subresource, hostile('/apis/apps/v1/namespaces/default/replicasets/r/scale')],
      ['token', 403, reasons.subresource, hostile('/api/v1/namespaces/default/serviceaccounts/default/token')],
      ['aggregated API', 403, reasons.closedKind, hostile('/apis/metrics.k8s.io/v1beta1/nodes')],
      ['metrics', 403, reasons.closedPath, hostile('/metrics')],
      ['debug', 403, reasons.closedPath, hostile('/debug/pprof/heap')],
      ['openapi', 403, reasons.closedPath, hostile('/openapi/v2')],
      ['logs', 403, reasons.closedPath, hostile('/logs')],
      ['healthz', 403, reasons.closedPath, hostile('/healthz')],
      ['configz', 403, reasons.closedPath, hostile('/configz')],
      [
        'field selector on a closed kind',
        403,
        reasons.closedKind,
        hostile('/api/v1/configmaps?fieldSelector=metadata.name%3Dx'),
      ],
      ['token in query', 400, reasons.tokenInQuery, hostile('/api/v1/pods?access_token=TOKEN')],
      [
        'token in query alone',
        400,
        reasons.tokenInQuery,
        `${line('/api/v1/pods?token=TOKEN')}${host}User-Agent: hostile\r\n\r\n`,
      ],
      [
        'parameter twice',
        400,
        'the parameter watch stands twice in the query',
        hostile('/api/v1/pods?watch=true&watch=false'),
      ],
      [
        'unknown parameter',
        400,
        'the query holds a parameter that is not known here',
        hostile('/api/v1/pods?dryRun=All'),
      ],
      [
        'semicolon in the query',
        400,
        'the query holds a letter that must be escaped',
        hostile('/api/v1/pods?watch=true;limit=1'),
      ],
      ['two hosts', 400, 'name one host, once', hostile(pods, 'Host: other\r\n')],
      ['two credentials', 400, 'send the header Authorization once', hostile(pods, 'Authorization: Bearer TOKEN\r\n')],
      [
        'coding and length',
        400,
        reasons.http,
        `${hostile(pods, 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n')}0\r\n\r\n`,
      ],
      ['coding', 400, reasons.framing, `${hostile(pods, 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n`],
      ['two lengths', 400, reasons.http, `${hostile(pods, 'Content-Length: 0\r\nContent-Length: 5\r\n')}abcde`],
      [
        'a body that is a request',
        400,
        'GET takes no body',
        `${hostile(pods, 'Content-Length: 40\r\n')}${hostile('/api/v1/services')}`,
      ],
      ['bare LF', 400, reasons.http, hostile(pods).replaceAll('\r\n', '\n')],
      ['bare LF in a header', 400, reasons.http, hostile(pods, 'X: y\nZ: a\r\n')],
      ['bare CR in a header', 400, reasons.http, hostile(pods, 'X: y\rZ: a\r\n')],
      ['folded header', 400, reasons.http, hostile(pods, 'X: y\r\n z\r\n')],
      ['blank before the colon', 400, reasons.http, hostile(pods, 'X : y\r\n')],
      ['Impersonate-User', 403, reasons.impersonation, hostile(pods, 'Impersonate-User: admin\r\n')],
      ['Impersonate-Group', 403, reasons.impersonation, hostile(pods, 'impersonate-group: system:masters\r\n')],
      ['X-Remote-User', 403, reasons.impersonation, hostile(pods, 'X-Remote-User: admin\r\n')],
      ['HTTP/1.0', 400, reasons.version, hostile(pods).replace('HTTP/1.1', 'HTTP/1.0')],
      ['no version', 400, reasons.version, 'GET /api/v1/pods\r\n\r\n'],
      ['expectation', 400, reasons.framing, hostile(pods, 'Expect: something\r\n')],
      ['large headers', 431, 'the headers are too large', hostile(pods, `X: ${'x'.repeat(20_000)}\r\n`)],
      [
        'web socket',
        403,
        reasons.upgrade,
        hostile(`${pods}?watch=true`, 'Connection: Upgrade\r\nUpgrade: websocket\r\n'),
      ],
      ['HTTP/2 without TLS', 400, reasons.http, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ];
    let before = 0;

    beforeAll(() => {
      before = cluster.forwarded().length;
    });

    /** A request that is passed on is noted before it is answered; one that outlives its refusal is seen by the check of all. */
    const nothingCame = async (since: number): Promise<void> => {
      await sleep(20);
      expect(cluster.forwarded().slice(since)).toEqual([]);
    };

    it('what would come with the peer’s own token, or with none, is noted by the API server', async () => {
      const token = gamma.token('api');
      const borrowed = { 'user-agent': 'isthmus-metadata-api' };
      const own = new Agent({ connect: { ca: cluster.api.ca } });
      for (const headers of [borrowed, { ...borrowed, authorization: `Bearer ${token}` }]) {
        const since = cluster.forwarded().length;
        const answer = await request(`${cluster.api.server}/api/v1/pods`, { dispatcher: own, headers });
        await answer.body.dump();
        expect([401, 403]).toContain(answer.statusCode);
        expect(cluster.forwarded().slice(since)).toMatchObject([{ requestURI: '/api/v1/pods' }]);
      }
      await own.destroy();
      before = cluster.forwarded().length;
    });

    it.each(rows)('%s: %i', async (_name, status, says, bytes) => {
      const since = cluster.forwarded().length;
      const answer = await sendRaw(door, Buffer.from(bytes.replaceAll('TOKEN', gamma.token('api')), 'latin1'));
      expect(answer.status).toBe(status);
      if (!bytes.startsWith('HEAD')) {
        const message = expect.stringContaining(says);
        expect(JSON.parse(answer.body) as Status).toMatchObject({ kind: 'Status', code: status, message });
      }
      expect(answer.body).not.toContain('eyJ');
      await nothingCame(since);
    });

    it.each([
      ['dots', 400, { ':path': '/api/v1/namespaces/../secrets' }],
      // Refused below us, by the HTTP/2 library.
      ['absolute form', 0, { ':path': 'https://x/api/v1/pods' }],
      ['HEAD', 403, { ':path': pods, ':method': 'HEAD' }],
      ['DELETE', 403, { ':path': pods, ':method': 'DELETE' }],
      ['host beside authority', 400, { ':path': pods, host: 'other' }],
      ['impersonation', 403, { ':path': pods, 'impersonate-group': 'system:masters' }],
      ['method override', 403, { ':path': pods, 'x-http-method-override': 'PUT' }],
      ['Secret', 403, { ':path': '/api/v1/namespaces/default/secrets/treasure' }],
      ['two credentials', 400, { ':path': pods, authorization: [gamma.token('api'), `Bearer ${gamma.token('api')}`] }],
      // Refused below us too: the server does not offer it.
      ['extended CONNECT', 0, { ':path': pods, ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https' }],
    ] as const)('over HTTP/2: %s: %i', async (_name, status, headers) => {
      const since = cluster.forwarded().length;
      const connection = new H2Connection(door);
      const authorization = `Bearer ${gamma.token('api')}`;
      const answer = await connection.ask({ authorization, ...headers, 'user-agent': 'hostile' });
      expect(answer.status).toBe(status);
      connection.close();
      await nothingCame(since);
    });

    it('over HTTP/2: a body, and CONNECT', async () => {
      const since = cluster.forwarded().length;
      const connection = new H2Connection(door);
      const headers = { authorization: `Bearer ${gamma.token('api')}`, 'user-agent': 'hostile' };
      expect((await connection.ask({ ...headers, ':path': pods }, false)).status).toBe(400);
      const connect = { ':method': 'CONNECT', ':authority': '10.96.0.1:443' };
      expect((await connection.ask({ ...connect, ...headers }, false)).status).toBe(403);
      connection.close();
      await nothingCame(since);
    });

    it('of all these the API server saw nothing', async () => {
      await sleep(300);
      const seen = cluster.forwarded();
      expect(seen.slice(before)).toEqual([]);
      expect(seen.filter(({ userAgent }) => userAgent?.includes('hostile'))).toEqual([]);
    });

    it('harmless headers of a proxy in front are dropped, not passed', async () => {
      const more = { 'x-forwarded-for': '10.0.0.1', 'user-agent': 'harmless', cookie: 'a=b', te: 'trailers' };
      expect((await ask('/api/v1/nodes', more)).statusCode).toBe(200);
      const seen = cluster.forwarded().filter(({ userAgent }) => userAgent === 'harmless');
      expect(seen).toEqual([
        expect.objectContaining({
          impersonatedUser: expect.objectContaining({ username: 'system:serviceaccount:isthmus-peers:peer-gamma' }),
        }),
      ]);
      expect(seen[0]).toHaveProperty('sourceIPs', ['127.0.0.1']);
    });
  });

  describe('tokens', () => {
    const seconds = (): number => Math.floor(Date.now() / 1000);
    const statusOf = async (authorization: string | undefined): Promise<[number, Status]> => {
      const answer = await request(`https://127.0.0.1:${door.apiPort}/api/v1/services`, {
        dispatcher: agent,
        headers: authorization === undefined ? {} : { authorization },
      });
      return [answer.statusCode, (await answer.body.json()) as Status];
    };
    const bad: readonly (readonly [string, number, () => string | undefined])[] = [
      ['none', 401, () => undefined],
      ['another scheme', 401, () => 'Basic dTpw'],
      ['garbage', 400, () => 'Bearer garbage'],
      ['another scope', 403, () => `Bearer ${gamma.token('private-multicluster')}`],
      ['for another cluster', 401, () => `Bearer ${forge(gamma, { aud: stranger.uuid })}`],
      ['of a federation peer', 403, () => `Bearer ${alpha.token('api')}`],
      ['of nobody we know', 403, () => `Bearer ${stranger.token('api')}`],
      ['in another’s name', 401, () => `Bearer ${forge(delta, { aud: ownUUID, sub: gamma.uuid })}`],
      ['expired', 401, () => `Bearer ${forge(gamma, { aud: ownUUID, exp: seconds() - 60 })}`],
      ['of a year, without leave', 401, () => `Bearer ${forge(gamma, { aud: ownUUID, exp: seconds() + 31_536_000 })}`],
      ['without jti, without leave', 401, () => `Bearer ${forge(gamma, { aud: ownUUID, jti: undefined })}`],
      ['larger than 8 KiB', 431, () => `Bearer ${forge(gamma, { aud: ownUUID, pad: 'x'.repeat(9_000) })}`],
    ];

    it.each(bad)('%s: %i', async (_name, status, make) => {
      const before = cluster.forwarded().length;
      const [code, body] = await statusOf(make());
      expect([code, body.kind, body.code]).toEqual([status, 'Status', status]);
      expect(cluster.forwarded().length).toBe(before);
    });

    it('is good once, also when requests race', async () => {
      const since = cluster.forwarded().length;
      const authorization = `Bearer ${gamma.token('api')}`;
      const answers = await Promise.all([1, 2, 3, 4].map(() => statusOf(authorization)));
      expect(answers.map(([status]) => status).sort()).toEqual([200, 401, 401, 401]);
      expect(cluster.forwarded().slice(since)).toMatchObject([{ requestURI: '/api/v1/services' }]);
    });

    it('is good once for all replicas', async () => {
      const replica = await openDoor('replica');
      await waitFor('its store', async () =>
        (await replica.process.readiness()).includes('shared by all replicas') ? true : undefined,
      );
      const twice = async (): Promise<readonly unknown[]> => {
        const authorization = `Bearer ${gamma.token('api')}`;
        const [first] = await statusOf(authorization);
        const again = await ask('/api/v1/services', { authorization }, gamma, replica);
        return [first, again.statusCode, ((await again.body.json()) as Status).reason];
      };
      expect(await whileStoreAnswers([door, replica.process], twice)).toEqual([200, 401, 'Unauthorized']);
      const other = await ask('/api/v1/services', {}, gamma, replica);
      await other.body.dump();
      expect(other.statusCode).toBe(200);
      await closeDoor(replica);
    });

    it('of a legacy peer lives a year and is used again', async () => {
      const authorization = `Bearer ${forge(legacy, { aud: ownUUID, jti: undefined, exp: seconds() + 31_536_000 })}`;
      for (let i = 0; i < 3; i += 1) expect((await statusOf(authorization))[0]).toBe(200);
    });
  });

  it('un-trusting a peer closes its watches within a second, and nobody else’s; its tokens are refused', async () => {
    let issuedBefore = '';
    const others = await ask(watchNodes);
    const toTheirEnd = async (): Promise<number> => {
      await cluster.leader.trust(everyone);
      const theirs = await Promise.all([1, 2, 3].map(() => askTrusted(watchNodes, delta)));
      issuedBefore = delta.token('api');
      const ends = Promise.allSettled(theirs.map(({ body }) => body.text()));
      await cluster.leader.trust(everyone.filter(({ name }) => name !== 'delta'));
      const written = performance.now();
      expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      return performance.now() - written;
    };
    expect(await leastOf(3, watchEndMs, toTheirEnd)).toBeLessThan(watchEndMs);
    const since = cluster.forwarded().length;
    for (const token of [issuedBefore, delta.token('api')]) {
      const { statusCode, body } = await ask('/api/v1/nodes', { authorization: `Bearer ${token}` });
      expect([statusCode, await body.json()]).toEqual([
        403,
        expect.objectContaining({ message: expect.stringContaining('no cluster that is trusted') }),
      ]);
    }
    expect(cluster.forwarded().slice(since)).toEqual([]);
    expect(others.body.destroyed).toBe(false);
    drop(others);
    await cluster.leader.trust(everyone);
  });

  it('a peer’s key that is dropped ends its watches in order: a reader goes on where it was', async () => {
    const toItsEnd = async (): Promise<number> => {
      await rotate();
      const watch = await ask(watchNodes, {}, delta);
      expect(watch.statusCode).toBe(200);
      const end = watch.body.text();
      await cluster.leader.trust(everyone);
      const written = performance.now();
      await expect(end).resolves.toEqual(expect.any(String));
      return performance.now() - written;
    };
    expect(await leastOf(3, watchEndMs, toItsEnd)).toBeLessThan(watchEndMs);
    expect((await ask('/api/v1/nodes', {}, delta)).statusCode).toBe(200);
  });

  it('leaves an audit row for each request', async () => {
    const rows = await waitFor('the rows', async (): Promise<readonly StoredAuditRow[] | undefined> => {
      const found = await store.audit.list({ limit: 2_000 });
      // The newest of the rows below; what was refused before says `untrusted-peer`.
      return found.some(({ detail }) => detail?.startsWith('watch nodes untrusted')) ? found : undefined;
    });
    const said = (peer: string | null, status: number, action: string, detail: RegExp): boolean =>
      rows.some(
        (row) =>
          (row.peer ?? null) === peer &&
          row.status === status &&
          row.action === action &&
          detail.test(row.detail ?? ''),
      );
    expect(said('multicluster/gamma', 200, 'GET /api/v1/services', /^list services done bytes=\d{3,}$/)).toBe(true);
    expect(said('multicluster/delta', 200, 'GET /api/v1/nodes', /^watch nodes untrusted bytes=\d+$/)).toBe(true);
    expect(said('multicluster/gamma', 403, 'GET /api/v1/namespaces/default/secrets/treasure', /^secrets$/)).toBe(true);
    expect(said('multicluster/gamma', 401, 'GET /api/v1/services', /^replayed$/)).toBe(true);
    expect(said('federation/alpha', 403, 'GET /api/v1/services', /^(scope|kind)$/)).toBe(true);
    // What never became a request: nobody has said who he is.
    expect(said(null, 403, 'CONNECT', /^CONNECT$/)).toBe(true);
    expect(said(null, 431, 'no request', /^HPE_HEADER_OVERFLOW$/)).toBe(true);
    expect(said(null, 400, 'no request', /^HPE_/)).toBe(true);
    expect(rows.some(({ action, detail }) => /eyJ|(?<!HPE_\w*)TOKEN/.test(`${action}${detail}`))).toBe(false);
  });

  describe('memory stays bounded', () => {
    /** Above this door at rest, in MiB. */
    const mostMemory = 160;
    let rest = 0;

    beforeAll(async () => {
      rest = door.memory();
      await withBulkList();
    }, 5 * minute);

    it.each(['HTTP/1.1', 'HTTP/2'])('a list of 200 MB, whole, over %s', async (version) => {
      const whole = async (): Promise<number> => {
        if (version === 'HTTP/1.1') return sizeOf((await ask(bulkPath)).body);
        const connection = new H2Connection(door);
        const size = await sizeOf(
          connection.open({ ':path': bulkPath, authorization: `Bearer ${gamma.token('api')}` }),
        );
        connection.close();
        return size;
      };
      const [size, most] = await peakMemory(door, rest, whole());
      expect(size).toBeGreaterThan(bulkMegabytes * 1_000_000);
      expect(most).toBeLessThan(mostMemory);
    });

    it('a slow reader is served at its own pace, and one that never reads is cut off', async () => {
      const never = await Promise.all([1, 2, 3].map(() => ask(bulkPath)));
      // Last, and read at once: it must not be taken for one that never reads.
      const slow = await ask(bulkPath);
      const slowly = readSlowly(slow.body, 5_000);
      const [size, most] = await peakMemory(door, rest, slowly);
      expect(size).toBeGreaterThan(1_000_000);
      expect(size).toBeLessThan(bulkMegabytes * 1_000_000);
      expect(most).toBeLessThan(mostMemory);
      await waitFor('those that never read to be cut off', async () =>
        (await door.metric('isthmus_door_api_requests_open')) === 0 ? true : undefined,
      );
      never.forEach(drop);
    });

    describe('at a door that soon takes a reader for stuck', () => {
      let hasty: OpenDoor;
      let hastyRest = 0;

      beforeAll(async () => {
        hasty = await openDoor('hasty', { ISTHMUS_API_STUCK_MS: '2000' });
        await (await ask('/api/v1/nodes', {}, gamma, hasty)).body.dump();
        hastyRest = hasty.process.memory();
      });
      afterAll(() => closeDoor(hasty));

      /** Asks, takes nothing, and tells how it ended once the door has let go of it. */
      const neverRead = async (version: string, target: string): Promise<readonly [ended: string, detail: string]> => {
        const since = new Date();
        const givenUp = async (): Promise<string> => {
          const row = await waitFor(
            'it to be given up',
            async () => (await store.audit.list({ since })).find(({ action }) => action === `GET ${bulkPath}`),
            { timeoutMs: 1.5 * minute },
          );
          return row.detail ?? '';
        };
        if (version === 'HTTP/1.1') {
          const { body } = await ask(target, {}, gamma, hasty);
          const detail = await givenUp();
          const ended = await body.text().then(
            () => 'whole',
            () => 'cut',
          );
          return [ended, detail];
        }
        const connection = new H2Connection(hasty.process);
        const stream = connection.open({ ':path': target, authorization: `Bearer ${gamma.token('api')}` });
        const detail = await givenUp();
        const code = await waitFor('the reset', () => (stream.closed ? stream.rstCode : undefined));
        connection.close();
        return [`reset ${code}`, detail];
      };

      it.each([
        ['list', 'HTTP/1.1', 'cut'],
        ['list', 'HTTP/2', 'reset 2'],
        ['watch', 'HTTP/1.1', 'cut'],
        ['watch', 'HTTP/2', 'reset 2'],
      ])('who never reads a %s is cut off, over %s, and cannot take it for whole', async (verb, version, how) => {
        const target = verb === 'watch' ? `${bulkPath}?watch=true` : bulkPath;
        const [[ended, detail], most] = await peakMemory(hasty.process, hastyRest, neverRead(version, target));
        expect(detail).toMatch(new RegExp(`^${verb} envoyfilters.networking.istio.io stuck bytes=\\d+$`));
        expect(ended).toBe(how);
        expect(most).toBeLessThan(mostMemory);
        expect(await hasty.process.metric('isthmus_door_api_requests_open')).toBe(0);
        expect(await hasty.process.metric('isthmus_door_api_watches')).toBe(0);
      });
    });

    /** The API server answers 429 to many at once (priority and fairness), which is passed on: the reader comes again. */
    const openWatch = (connection: H2Connection): Promise<true> =>
      waitFor('a watch', async () => {
        const authorization = `Bearer ${gamma.token('api')}`;
        const stream = connection.open({ ':path': watchNodes, authorization });
        const status = await new Promise<unknown>((resolve) => {
          stream.on('response', (headers) => resolve(headers[':status']));
          stream.on('close', () => resolve('closed'));
        });
        if (status === 200) return true;
        stream.close();
        if (status !== 429) throw new Error(`watch: ${String(status)}`);
        return undefined;
      });

    it(
      'a thousand watches, opened and dropped, twice',
      async () => {
        const own = await openDoor('a-thousand-watches');
        const { process: patient } = own;
        const before = patient.memory();
        const round = async (): Promise<number> => {
          const connections = Array.from({ length: 10 }, () => new H2Connection(patient));
          for (const connection of connections) {
            await Promise.all(Array.from({ length: 100 }, () => openWatch(connection)));
          }
          expect(await patient.metric('isthmus_door_api_watches')).toBe(1_000);
          const most = patient.memory() - before;
          for (const connection of connections) connection.close();
          await waitFor('the watches to be gone', async () =>
            (await patient.metric('isthmus_door_api_watches')) === 0 ? true : undefined,
          );
          return most;
        };
        try {
          expect(Math.max(await round(), await round())).toBeLessThan(mostMemory);
        } finally {
          await closeDoor(own);
        }
      },
      4 * minute,
    );
  });

  describe('a long list under way', () => {
    /** Its readers may take nothing for as long as the rest takes. */
    let patient: OpenDoor;

    beforeAll(async () => {
      await withBulkList();
      patient = await openDoor('a-long-list');
    }, 5 * minute);
    afterAll(async () => {
      await cluster.leader.trust(everyone);
      await closeDoor(patient);
    });

    /** Has the peer's list begun, and changes what is trusted; what is left to be read when the door has acted on that. */
    const listOver = async (trusted: typeof everyone): Promise<Dispatcher.ResponseData> => {
      await rotate(patient);
      const list = await ask(bulkPath, {}, delta, patient);
      const watch = await ask(watchNodes, {}, delta, patient);
      expect([list.statusCode, watch.statusCode]).toEqual([200, 200]);
      const acted = watch.body.text().catch(() => undefined);
      await cluster.leader.trust(trusted);
      await acted;
      return list;
    };

    it('is finished when a key of its reader is dropped', async () => {
      const { body } = await listOver(everyone);
      expect(await sizeOf(body)).toBeGreaterThan(bulkMegabytes * 1_000_000);
    });

    it('is cut when its reader is no longer trusted', async () => {
      const { body } = await listOver(everyone.filter(({ name }) => name !== 'delta'));
      await expect(sizeOf(body)).rejects.toThrow();
    });
  });

  describe('the door’s own account', () => {
    const asDoor = async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
      (await cluster.doorClient.request({ method: 'GET', path, headers })).status;

    it.each([
      ['as system:masters', '/api/v1/nodes', { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' }],
      ['as an administrator', '/api/v1/nodes', { 'impersonate-user': 'admin' }],
      [
        'as a peer in system:masters',
        '/api/v1/nodes',
        {
          'impersonate-user': 'system:serviceaccount:isthmus-peers:peer-gamma',
          'impersonate-group': 'system:masters',
        },
      ],
      [
        'as the controller',
        '/api/v1/secrets',
        { 'impersonate-user': 'system:serviceaccount:isthmus-system:isthmus-controller' },
      ],
      ['a Secret', '/api/v1/namespaces/default/secrets/treasure', {}],
      ['Secrets', '/api/v1/namespaces/default/secrets', {}],
      ['the signing keys', '/api/v1/namespaces/isthmus-system/secrets/isthmus-signing-keys', {}],
      [
        'a Secret as a peer',
        '/api/v1/namespaces/default/secrets/treasure',
        { 'impersonate-user': 'system:serviceaccount:isthmus-peers:peer-gamma' },
      ],
      ['what peers read', '/api/v1/services', {}],
    ])('may not: %s', async (_name, path, headers) => {
      expect(await asDoor(path, headers as Readonly<Record<string, string>>)).toBe(403);
    });

    it('a peer’s roles in the chart grant what the door lets through, and no more', () => {
      const granted = (name: string): readonly string[] => {
        const role = cluster.chart.objects.find(({ metadata }) => metadata?.name === name);
        const { rules } = role as unknown as {
          rules: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[];
        };
        return rules
          .flatMap(({ apiGroups, resources, verbs }) =>
            apiGroups.flatMap((group) => resources.map((resource) => `${verbs.join()} ${resource}.${group}`)),
          )
          .sort();
      };
      const read = [
        ...Object.entries(readableResources).flatMap(([group, kinds]) => kinds.map((kind) => `${kind}.${group}`)),
        ...readableGroups.map((group) => `*.${group}`),
      ];
      const reviewed = Object.entries(reviewResources).map(([group, kind]) => `${kind}.${group}`);
      expect(granted('isthmus-peer-reader')).toEqual(read.map((kind) => `get,list,watch ${kind}`).sort());
      expect(granted('isthmus-peer-reviewer')).toEqual(reviewed.map((kind) => `create ${kind}`).sort());
    });

    it('may act as a peer', async () => {
      const headers = { 'impersonate-user': 'system:serviceaccount:isthmus-peers:peer-gamma' };
      expect(await asDoor('/api/v1/services', headers)).toBe(200);
    });
  });

  it('drains: open watches end in good order, nobody new is let in, then it is gone', async () => {
    const open = await Promise.all([1, 2].map(() => ask(watchNodes)));
    const connection = new H2Connection(door);
    const stream = connection.open({ ':path': watchNodes, authorization: `Bearer ${gamma.token('api')}` });
    await new Promise((resolve) => stream.once('response', resolve));
    const ends = Promise.all([
      ...open.map(({ body }) => body.text()),
      new Promise((resolve) => stream.once('end', resolve)),
    ]);
    stream.resume();
    const started = performance.now();
    const stopped = door.stop(stopMs);
    await ends;
    await stopped;
    // Below the time after which what is still open is cut.
    expect(performance.now() - started).toBeLessThan(9_000);
    expect(readFileSync(door.logFile, 'utf8')).not.toContain('"level":"error"');
    await expect(ask('/version')).rejects.toThrow();
    connection.close();
  });
});

function drop({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => undefined);
  body.destroy();
}

async function sizeOf(body: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of body) size += chunk.length;
  return size;
}

function service(name: string): ApiObject & Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name },
    spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
  };
}

function secret(name: string): ApiObject & Readonly<Record<string, unknown>> {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'default', name }, stringData: { gold: 'yes' } };
}

/** An object of one megabyte. */
