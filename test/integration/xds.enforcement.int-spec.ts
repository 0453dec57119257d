import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuthorizationPolicy, type MeshModel, type PeerAuthentication, SnapshotBuilder } from '#xds';
import { model, ownDomain, peerDomain, proxy, service, workload } from '../../libs/xds/src/model.fixture.js';
import { freePort, waitFor } from '../harness/child.js';
import { echoes, echoing, get, greeted, plainGreeted, plainReached, plainStatus, reached, tls } from './xds/callers.js';
import { caFor, type Identity, identityFor } from './xds/identities.js';
import { onLoopback } from './xds/loopback.js';
import { certificateSecret, relocated } from './xds/relocate.js';
import { ServedEnvoy } from './xds/served-envoy.js';

const drainSeconds = 2;
const refusedMs = 15_000;
/** What is not cut by the end of the drain time stays open; a machine that stands still cuts late. */
const cutMs = 30_000;
const ownCa = caFor(ownDomain);
const peerCa = caFor(peerDomain);
const peerId = `spiffe://${peerDomain}/ns/store/sa/buyer`;
const peerPrincipal = `${peerDomain}/ns/store/sa/buyer`;
const ownId = `spiffe://${ownDomain}/ns/demo/sa/client`;

describe('what a real Envoy makes of grants that change', () => {
  const builder = new SnapshotBuilder();
  const node = proxy('sidecar~127.0.0.1~echo-1.demo~demo.svc.cluster.a');
  const envoy = new ServedEnvoy(node.id, drainSeconds);
  let httpApp: HttpServer;
  let tcpApp: TcpServer;
  let httpPort = 0;
  let tcpPort = 0;
  // Never granted by port.
  let localPort = 0;
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
          { name: 'local', number: 91, targetPort: localPort, protocol: 'TCP' },
        ],
      }),
    ],
    authorizationPolicies: [],
    trust: { roots: ownCa.roots, peers: peers.map(({ roots }) => ({ trustDomain: peerDomain, roots, crls: [] })) },
    grants: [
      { trustDomain: peerDomain, allowed: [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: allowed }] },
    ],
  });

  const everythingShared = (): MeshModel => ({
    ...meshModel([]),
    grants: [{ trustDomain: peerDomain, everything: true, allowed: [] }],
  });

  const serve = (next: MeshModel): void => {
    const places = {
      listeners: { virtualInbound: [httpPort, tcpPort, localPort] },
      applications: {
        [`inbound|${httpPort}||`]: (httpApp.address() as AddressInfo).port,
        [`inbound|${tcpPort}||`]: (tcpApp.address() as AddressInfo).port,
        [`inbound|${localPort}||`]: (tcpApp.address() as AddressInfo).port,
        InboundPassthroughCluster: (tcpApp.address() as AddressInfo).port,
      },
    };
    const identity = identityFor(ownCa, `spiffe://${ownDomain}/ns/demo/sa/echo`);
    envoy.serve(relocated(builder.snapshotFor(next, node), places), [certificateSecret(identity)]);
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
    httpApp = createHttpServer((request, response) => response.end(String(request.headers['x-forwarded-client-cert'])));
    // An application that hangs up by itself would be another reason for a 503.
    httpApp.keepAliveTimeout = 0;
    tcpApp = createTcpServer((socket) => {
      socket.write('greeting');
      socket.pipe(socket).on('error', () => undefined);
    });
    for (const application of [httpApp, tcpApp]) await onLoopback(application);
    httpPort = await freePort();
    tcpPort = await freePort();
    localPort = await freePort();
    serve(meshModel([httpPort, tcpPort]));
    await envoy.start();
  }, 120_000);

  afterAll(async () => {
    for (const each of open) each.close();
    await envoy.stop();
    httpApp.close();
    tcpApp.close();
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
  }, 90_000);

  it('refuses a certificate for our trust domain that a peer minted', async () => {
    await expect(reached(identityFor(peerCa, ownId), tcpPort)).resolves.toBe(false);
    await expect(reached(identityFor(ownCa, ownId), tcpPort)).resolves.toBe(true);
    await expect(reached(identityFor(peerCa, peerId), tcpPort)).resolves.toBe(true);
  }, 90_000);

  it('does not even greet a peer whose grant does not hold for a TCP port', async () => {
    serve(meshModel([httpPort]));
    await waitFor('refusal', async () => ((await reached(identityFor(peerCa, peerId), tcpPort)) ? undefined : true));
    expect(await greeted(identityFor(peerCa, peerId), tcpPort)).toBe(false);
    expect(await greeted(identityFor(ownCa, ownId), tcpPort)).toBe(true);
    serve(meshModel([httpPort, tcpPort]));
    await waitFor('grant', async () => ((await greeted(identityFor(peerCa, peerId), tcpPort)) ? true : undefined));
  }, 90_000);

  it('un-exporting HTTP refuses the next request on an open connection and drains nobody', async () => {
    const peer = await session(identityFor(peerCa, peerId));
    const own = await session(identityFor(ownCa, ownId));
    expect((await get(peer)).status).toBe(200);
    expect((await get(own)).status).toBe(200);
    const before = await envoy.running.stat('listener_manager.listener_in_place_updated');
    serve(meshModel([tcpPort]));
    const start = Date.now();
    await waitFor('refusal', async () => ((await get(peer)).status === 403 ? true : undefined), {
      timeoutMs: refusedMs,
    });
    console.info(`refused on the open connection after ${Date.now() - start} ms`);
    await sleep((drainSeconds + 1) * 1000);
    expect((await get(own)).status).toBe(200);
    expect((await get(peer)).status).toBe(403);
    expect(own.closed || own.destroyed || peer.closed || peer.destroyed).toBe(false);
    expect(await envoy.running.stat('listener_manager.listener_in_place_updated')).toBe(before);
    serve(meshModel([httpPort, tcpPort]));
    await waitFor('grant', async () => ((await get(peer)).status === 200 ? true : undefined), {
      timeoutMs: refusedMs,
    });
  }, 90_000);

  it('un-exporting TCP cuts the open connection within the drain time; the HTTP port of the same proxy does not notice', async () => {
    const peer = await echoing(identityFor(peerCa, peerId), tcpPort);
    const own = await echoing(identityFor(ownCa, ownId), tcpPort);
    const http = await session(identityFor(ownCa, ownId));
    expect((await get(http)).status).toBe(200);
    const start = Date.now();
    serve(meshModel([httpPort]));
    await peer.ended;
    console.info(`TCP cut after ${Date.now() - start} ms`);
    expect(Date.now() - start).toBeLessThan(cutMs);
    await expect(reached(identityFor(peerCa, peerId), tcpPort)).resolves.toBe(false);
    // The stated collateral: other callers of this one TCP port have to connect anew.
    await own.ended;
    await expect(reached(identityFor(ownCa, ownId), tcpPort)).resolves.toBe(true);
    expect((await get(http)).status).toBe(200);
    expect(http.closed || http.destroyed).toBe(false);
  }, 90_000);

  it.each([
    ['its principal', { principals: [peerPrincipal] }],
    ['its namespace', { namespaces: ['store'] }],
    ['all but ours', { notPrincipals: [`${ownDomain}/*`] }],
  ])(
    'a peer that everything is shared with is denied by %s, on HTTP and TCP, while others are not',
    async (_by, source) => {
      const shared = everythingShared();
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
    90_000,
  );

  const policy = (action: 'ALLOW' | 'DENY', source: object): AuthorizationPolicy => ({
    ...{ name: action.toLowerCase(), namespace: 'demo', action, selector: { app: 'echo' } },
    rules: [{ from: [{ source }] }],
  });
  const [onlyOwn, onlyPeer] = [{ principals: ['cluster.local/ns/demo/sa/client'] }, { principals: [peerPrincipal] }];
  const everyone = { principals: ['*'] };

  it.each<[string, AuthorizationPolicy[], { own: boolean; peer: boolean; plain: boolean }]>([
    ['none', [], { own: true, peer: true, plain: true }],
    ['our client', [policy('ALLOW', onlyOwn)], { own: true, peer: false, plain: false }],
    ['the peer’s buyer', [policy('ALLOW', onlyPeer)], { own: false, peer: true, plain: false }],
    ['our namespace', [policy('ALLOW', { namespaces: ['demo'] })], { own: true, peer: false, plain: false }],
    ['the peer’s namespace', [policy('ALLOW', { namespaces: ['store'] })], { own: false, peer: true, plain: false }],
    ['nobody', [{ ...policy('ALLOW', {}), rules: [] }], { own: false, peer: false, plain: false }],
    [
      'everyone with an identity, and DENY the peer’s buyer',
      [policy('ALLOW', everyone), policy('DENY', onlyPeer)],
      { own: true, peer: false, plain: false },
    ],
  ])(
    'where everything is shared and policies ALLOW %s, these alone come in, on HTTP and TCP',
    async (_who, authorizationPolicies, wanted) => {
      const [own, peer] = [identityFor(ownCa, ownId), identityFor(peerCa, peerId)];
      serve({ ...everythingShared(), authorizationPolicies });
      const found = async (): Promise<object> => ({
        own: [await status(own), await reached(own, tcpPort)],
        peer: [await status(peer), await reached(peer, tcpPort)],
        plain: [await plainStatus(httpPort), await plainReached(tcpPort)],
      });
      const expected = Object.fromEntries(
        Object.entries(wanted).map(([who, enters]) => [who, enters ? [200, true] : [403, false]]),
      );
      await settled(found, expected);
    },
    90_000,
  );

  const peerAuthentication = (
    mode: PeerAuthentication['mode'],
    portModes: PeerAuthentication['portModes'] = {},
  ): PeerAuthentication => ({
    ...{ name: 'modes', namespace: 'demo', createdAt: 1, selector: { app: 'echo' }, portModes },
    ...(mode === undefined ? {} : { mode }),
  });

  it('a TCP server under DISABLE may speak first, and under PERMISSIVE be sent anything', async () => {
    const disabled = { ...meshModel([httpPort, tcpPort]), peerAuthentications: [peerAuthentication('DISABLE')] };
    serve(disabled);
    await settled(async () => ({ greeted: await plainGreeted(tcpPort) }), { greeted: true });
    serve(meshModel([httpPort, tcpPort]));
    // Not a line, so nothing that looks for HTTP could tell.
    await settled(async () => ({ reached: await plainReached(tcpPort) }), { reached: true });
  }, 90_000);

  it('where a workload is DISABLE, a server on a port without Service may speak first too; a port that is STRICT ends TLS, HTTP goes on', async () => {
    const shown = meshModel([httpPort]);
    const services = shown.services.map((each) => ({
      ...each,
      ports: each.ports.filter(({ name }) => name === 'http'),
    }));
    const modes = peerAuthentication('DISABLE', { [localPort]: 'STRICT' });
    serve({ ...shown, services, peerAuthentications: [modes] });
    const found = async (): Promise<object> => ({
      withoutService: await plainGreeted(tcpPort),
      strict: [await reached(identityFor(ownCa, ownId), localPort), await plainGreeted(localPort)],
      http: await plainStatus(httpPort),
    });
    await settled(found, { withoutService: true, strict: [true, false], http: 200 });
    serve(meshModel([httpPort, tcpPort]));
    await settled(async () => ({ reached: await plainReached(tcpPort) }), { reached: true });
  }, 90_000);

  it.each<[string, () => PeerAuthentication, { http: boolean; tcp: boolean }]>([
    ['STRICT', () => peerAuthentication('STRICT'), { http: false, tcp: false }],
    ['PERMISSIVE', () => peerAuthentication('PERMISSIVE'), { http: true, tcp: true }],
    [
      'STRICT but for its TCP port',
      () => peerAuthentication('STRICT', { [tcpPort]: 'PERMISSIVE' }),
      { http: false, tcp: true },
    ],
    [
      'PERMISSIVE but for its TCP port',
      () => peerAuthentication('PERMISSIVE', { [tcpPort]: 'STRICT' }),
      { http: true, tcp: false },
    ],
  ])(
    'a workload that is %s takes mutual TLS, and plain text just where it says so',
    async (_mode, mode, plain) => {
      const own = identityFor(ownCa, ownId);
      serve({ ...meshModel([httpPort, tcpPort]), peerAuthentications: [mode()] });
      const found = async (): Promise<object> => ({
        plain: [await plainStatus(httpPort), await plainReached(tcpPort)],
        mutual: [await status(own).catch(() => undefined), await reached(own, tcpPort)],
      });
      await settled(found, { plain: [plain.http ? 200 : undefined, plain.tcp], mutual: [200, true] });
      expect(envoy.refusals).toEqual([]);
    },
    90_000,
  );

  it('un-trusting refuses the next request on an open connection, cuts open TCP, and takes no new connection', async () => {
    serve(meshModel([httpPort, tcpPort]));
    const [peerIdentity, ownIdentity] = [identityFor(peerCa, peerId), identityFor(ownCa, ownId)];
    await waitFor('grant', async () => ((await greeted(peerIdentity, tcpPort)) ? true : undefined));
    const peer = { http: await session(peerIdentity), tcp: await echoing(peerIdentity, tcpPort) };
    const own = { http: await session(ownIdentity), tcp: await echoing(ownIdentity, localPort) };
    open.push({ close: () => own.tcp.socket.destroy() });
    await waitFor('grant', async () => ((await get(peer.http)).status === 200 ? true : undefined), {
      timeoutMs: refusedMs,
    });
    expect((await get(own.http)).status).toBe(200);
    // The stated collateral, as where TCP is un-exported: others on the very port that the peer was let into.
    const beside = await echoing(ownIdentity, tcpPort);

    serve({ ...meshModel([], []), grants: [] });
    const start = Date.now();
    await waitFor('refusal', async () => ((await get(peer.http)).status === 403 ? true : undefined), {
      timeoutMs: refusedMs,
    });
    await peer.tcp.ended;
    console.info(`TCP of an un-trusted peer cut after ${Date.now() - start} ms`);
    expect(Date.now() - start).toBeLessThan(cutMs);
    await waitFor('handshake refused', async () => ((await reached(peerIdentity, tcpPort)) ? undefined : true));

    await beside.ended;
    expect(await reached(ownIdentity, tcpPort)).toBe(true);
    await sleep((drainSeconds + 1) * 1000);
    expect((await get(own.http)).status).toBe(200);
    expect(await echoes(own.tcp.socket)).toBe(true);
    expect(own.http.closed || own.http.destroyed || own.tcp.socket.destroyed).toBe(false);
    expect(envoy.refusals).toEqual([]);
  }, 90_000);
});

/** Waits until what is found is what is expected twice in a row; the difference, or what could not be found out, is in the error. */
async function settled(found: () => Promise<object>, expected: object): Promise<void> {
  const deadline = Date.now() + 25_000;
  const wanted = JSON.stringify(expected);
  // While the change is on its way there may be neither an answer nor a refusal, and a machine that stands still gives none either.
  const isSo = async (): Promise<boolean> => JSON.stringify(await found().catch(() => undefined)) === wanted;
  let inARow = 0;
  while (inARow < 2 && Date.now() < deadline) {
    inARow = (await isSo()) ? inARow + 1 : 0;
    if (inARow === 0) await sleep(20);
  }
  if (inARow === 2) return;
  expect(await found()).toEqual(expected);
  throw new Error('it was so only once');
}
