import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MeshModel, SnapshotBuilder } from '#xds';
import { model, ownDomain, peerDomain, proxy, service, workload } from '../../libs/xds/src/model.fixture.js';
import { freePort, waitFor } from '../harness/child.js';
import { AdsServer } from './xds/ads-server.js';
import { type RunningEnvoy, serving, startEnvoy } from './xds/envoy.js';
import { caFor, type Identity, identityFor } from './xds/identities.js';
import { certificateSecret, relocated } from './xds/relocate.js';

const drainSeconds = 2;
const ownCa = caFor(ownDomain);
const peerCa = caFor(peerDomain);
const peerId = `spiffe://${peerDomain}/ns/store/sa/buyer`;
const ownId = `spiffe://${ownDomain}/ns/demo/sa/client`;

/** One answer on an HTTP/2 session: status and the identity header that the application saw. */
interface Answer {
  readonly status: number;
  readonly body: string;
}

describe('what a real Envoy makes of grants that change', () => {
  let folder = '';
  let envoy: RunningEnvoy;
  const ads = new AdsServer();
  const builder = new SnapshotBuilder();
  const node = proxy('sidecar~127.0.0.1~echo-1.demo~demo.svc.cluster.a');
  let httpApp: HttpServer;
  let tcpApp: TcpServer;
  let httpPort = 0;
  let tcpPort = 0;
  const open: { close(): void }[] = [];

  const meshModel = (allowed: readonly number[], peers = [peerCa]): MeshModel => ({
    ...model,
    workloads: [workload({ name: 'echo', addresses: ['127.0.0.1'] })],
    services: [
      service({
        name: 'echo',
        selector: { app: 'echo' },
        ports: [
          { name: 'http', number: 80, targetPort: httpPort, protocol: 'HTTP' },
          { name: 'tcp', number: 90, targetPort: tcpPort, protocol: 'TCP' },
        ],
      }),
    ],
    authorizationPolicies: [],
    trust: { roots: ownCa.roots, peers: peers.map(({ roots }) => ({ trustDomain: peerDomain, roots, crls: [] })) },
    grants: [
      { trustDomain: peerDomain, allowed: [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: allowed }] },
    ],
  });

  const serve = (next: MeshModel): void => {
    const places = {
      listeners: { virtualInbound: [httpPort, tcpPort] },
      applications: {
        [`inbound|${httpPort}||`]: (httpApp.address() as AddressInfo).port,
        [`inbound|${tcpPort}||`]: (tcpApp.address() as AddressInfo).port,
      },
    };
    const identity = identityFor(ownCa, `spiffe://${ownDomain}/ns/demo/sa/echo`);
    ads.serve(relocated(builder.snapshotFor(next, node), places), [certificateSecret(identity)]);
  };

  const session = async (identity: Identity): Promise<ClientHttp2Session> => {
    const socket = await tls(identity, httpPort, ['istio-h2', 'istio', 'h2']);
    const made = connectHttp2('https://echo', { createConnection: () => socket });
    made.on('error', () => undefined);
    open.push(made);
    return made;
  };

  /** Of one request on a connection of its own. */
  const status = async (identity: Identity): Promise<number> => {
    const made = await session(identity);
    try {
      return (await get(made)).status;
    } finally {
      made.close();
    }
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'isthmus-enforcement-'));
    httpApp = createHttpServer((request, response) =>
      response.end(String(request.headers['x-forwarded-client-cert'])),
    ).listen(0, '127.0.0.1');
    tcpApp = createTcpServer((socket) => {
      socket.write('greeting');
      socket.pipe(socket).on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    httpPort = await freePort();
    tcpPort = await freePort();
    const adsPort = await ads.start();
    serve(meshModel([httpPort, tcpPort]));
    envoy = await startEnvoy(folder, node.id, adsPort, drainSeconds);
    await serving(envoy);
  }, 30_000);

  afterAll(async () => {
    for (const each of open) each.close();
    await envoy?.child.stop();
    ads.stop();
    httpApp.close();
    tcpApp.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('shows the application who calls, a forged header notwithstanding', async () => {
    const peer = await session(identityFor(peerCa, peerId));
    const answer = await get(peer, { 'x-forwarded-client-cert': `URI=spiffe://${ownDomain}/ns/demo/sa/admin` });
    expect(answer.status).toBe(200);
    expect(answer.body).toContain(`URI=${peerId}`);
    expect(answer.body).not.toContain('admin');
    const forger = await fetch(`http://127.0.0.1:${httpPort}/`, {
      headers: { 'x-forwarded-client-cert': 'URI=spiffe://x/y' },
    });
    expect(await forger.text()).toBe('undefined');
  });

  it('refuses a certificate for our trust domain that a peer minted', async () => {
    await expect(reached(identityFor(peerCa, ownId), tcpPort)).resolves.toBe(false);
    await expect(reached(identityFor(ownCa, ownId), tcpPort)).resolves.toBe(true);
    await expect(reached(identityFor(peerCa, peerId), tcpPort)).resolves.toBe(true);
  });

  it('does not even greet a peer whose grant does not hold for a TCP port', async () => {
    serve(meshModel([httpPort]));
    await waitFor('refusal', async () => ((await reached(identityFor(peerCa, peerId), tcpPort)) ? undefined : true));
    expect(await greeted(identityFor(peerCa, peerId), tcpPort)).toBe(false);
    expect(await greeted(identityFor(ownCa, ownId), tcpPort)).toBe(true);
    serve(meshModel([httpPort, tcpPort]));
    await waitFor('grant', async () => ((await greeted(identityFor(peerCa, peerId), tcpPort)) ? true : undefined));
  });

  it('un-exporting HTTP refuses the next request on an open connection and drains nobody', async () => {
    const peer = await session(identityFor(peerCa, peerId));
    const own = await session(identityFor(ownCa, ownId));
    expect((await get(peer)).status).toBe(200);
    expect((await get(own)).status).toBe(200);
    const before = await envoy.stat('listener_manager.listener_in_place_updated');
    serve(meshModel([tcpPort]));
    const start = Date.now();
    await waitFor('refusal', async () => ((await get(peer)).status === 403 ? true : undefined), { timeoutMs: 3000 });
    console.info(`refused on the open connection after ${Date.now() - start} ms`);
    await sleep((drainSeconds + 1) * 1000);
    expect((await get(own)).status).toBe(200);
    expect((await get(peer)).status).toBe(403);
    expect(own.closed || own.destroyed || peer.closed || peer.destroyed).toBe(false);
    expect(await envoy.stat('listener_manager.listener_in_place_updated')).toBe(before);
    serve(meshModel([httpPort, tcpPort]));
    await waitFor('grant', async () => ((await get(peer)).status === 200 ? true : undefined), { timeoutMs: 3000 });
  });

  it('un-exporting TCP cuts the open connection within the drain time; the HTTP port of the same proxy does not notice', async () => {
    const peer = await echoing(identityFor(peerCa, peerId), tcpPort);
    const own = await echoing(identityFor(ownCa, ownId), tcpPort);
    const http = await session(identityFor(ownCa, ownId));
    expect((await get(http)).status).toBe(200);
    const start = Date.now();
    serve(meshModel([httpPort]));
    await peer.ended;
    console.info(`TCP cut after ${Date.now() - start} ms`);
    expect(Date.now() - start).toBeLessThan((drainSeconds + 2) * 1000);
    await expect(reached(identityFor(peerCa, peerId), tcpPort)).resolves.toBe(false);
    // The stated collateral: other callers of this one TCP port have to connect anew.
    await own.ended;
    await expect(reached(identityFor(ownCa, ownId), tcpPort)).resolves.toBe(true);
    expect((await get(http)).status).toBe(200);
    expect(http.closed || http.destroyed).toBe(false);
  });

  it.each([
    ['its principal', { principals: [`${peerDomain}/ns/store/sa/buyer`] }],
    ['its namespace', { namespaces: ['store'] }],
    ['all but ours', { notPrincipals: [`${ownDomain}/*`] }],
  ])(
    'a peer that everything is shared with is denied by %s, on HTTP and TCP, while others are not',
    async (_by, source) => {
      const shared = { ...meshModel([]), grants: [{ trustDomain: peerDomain, everything: true, allowed: [] }] };
      const rules = [{ from: [{ source }] }];
      const denied = { name: 'no', namespace: 'demo', action: 'DENY' as const, selector: { app: 'echo' }, rules };
      const [peer, own] = [identityFor(peerCa, peerId), identityFor(ownCa, ownId)];
      serve(shared);
      await waitFor(
        'shared',
        async () => ((await status(peer)) === 200 && (await reached(peer, tcpPort))) || undefined,
      );
      serve({ ...shared, authorizationPolicies: [denied] });
      await waitFor(
        'denied',
        async () => ((await status(peer)) === 403 && !(await reached(peer, tcpPort))) || undefined,
      );
      expect([await status(own), await reached(own, tcpPort)]).toEqual([200, true]);
      serve(meshModel([httpPort, tcpPort]));
      await waitFor('as before', async () => ((await reached(peer, tcpPort)) ? true : undefined));
    },
    30_000,
  );

  it('un-trusting refuses the next request on an open connection, and new connections', async () => {
    serve(meshModel([httpPort]));
    const peer = await session(identityFor(peerCa, peerId));
    await waitFor('grant', async () => ((await get(peer)).status === 200 ? true : undefined), { timeoutMs: 3000 });
    serve({ ...meshModel([], []), grants: [] });
    await waitFor('refusal', async () => ((await get(peer)).status === 403 ? true : undefined), { timeoutMs: 3000 });
    await waitFor('handshake refused', async () =>
      (await reached(identityFor(peerCa, peerId), tcpPort)) ? undefined : true,
    );
    expect(ads.refusals).toEqual([]);
  });
});

function tls(identity: Identity, port: number, alpn: string[]): Promise<TLSSocket> {
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
async function reached(identity: Identity, port: number): Promise<boolean> {
  try {
    const { socket } = await echoing(identity, port);
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

/** Whether the application's greeting arrives before anything was sent. */
async function greeted(identity: Identity, port: number): Promise<boolean> {
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

async function echoing(identity: Identity, port: number): Promise<{ socket: TLSSocket; ended: Promise<void> }> {
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

function get(session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<Answer> {
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
