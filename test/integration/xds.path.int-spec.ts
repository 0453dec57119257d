import { createServer as createHttpServer } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Server } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MeshModel, type ProxyNode, type Snapshot, snapshotFor } from '#xds';
import {
  endpoint,
  imported,
  model,
  ownDomain,
  peerDomain,
  proxy,
  service,
  workload,
} from '../../libs/xds/src/model.fixture.js';
import { freePort, waitFor } from '../harness/child.js';
import { answerTo as call } from './xds/callers.js';
import { caFor, identityFor } from './xds/identities.js';
import { onLoopback } from './xds/loopback.js';
import { certificateSecret, type Places, relocated } from './xds/relocate.js';
import { ServedEnvoy } from './xds/served-envoy.js';

const host = imported.hostname;
const servicePorts = { http: 80, grpc: 7070, tcp: 9000 } as const;
type Word = keyof typeof servicePorts;
const words = Object.keys(servicePorts) as Word[];
const protocols = { http: 'HTTP', grpc: 'GRPC', tcp: 'TCP' } as const;
const forbidden = 15999;

interface Station {
  readonly envoy: ServedEnvoy;
  serve(snapshot: Snapshot): void;
}

describe('client sidecar → gateway → server sidecar, all upstream Envoy, two trust domains', () => {
  const cas = { client: caFor(ownDomain), server: caFor(peerDomain) };
  const stations: Station[] = [];
  const applications = {} as Record<Word, Server>;
  const ports = {} as Record<Word | 'first' | 'second' | 'callHttp' | 'callGrpc' | 'callTcp', number>;
  let serverModel: MeshModel;
  let gateways: Station[] = [];

  const station = async (node: ProxyNode, spiffeId: string, places: Places, snapshot: Snapshot): Promise<Station> => {
    const envoy = new ServedEnvoy(node.id, 2);
    const ca = spiffeId.includes(ownDomain) ? cas.client : cas.server;
    const secrets = [certificateSecret(identityFor(ca, spiffeId))];
    const serve = (next: Snapshot): void => envoy.serve(relocated(next, places), secrets);
    serve(snapshot);
    const made = { envoy, serve };
    stations.push(made);
    await envoy.start();
    return made;
  };

  beforeAll(async () => {
    applications.http = createHttpServer((request, response) => {
      response.end(`${request.headers.host} ${String(request.headers['x-forwarded-client-cert'])}`);
    });
    applications.grpc = createHttp2Server().on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end();
    });
    applications.tcp = createTcpServer((socket) => socket.pipe(socket).on('error', () => undefined));
    for (const word of words) {
      await onLoopback(applications[word]);
      ports[word] = await freePort();
    }
    for (const word of ['first', 'second', 'callHttp', 'callGrpc', 'callTcp'] as const) ports[word] = await freePort();

    serverModel = {
      ...model,
      cluster: { ...model.cluster, trustDomain: peerDomain, clusterDomain: 'cluster.b' },
      workloads: [workload({ name: 'shop', namespace: 'store', addresses: ['127.0.0.1'] })],
      services: [
        service({
          name: 'shop',
          namespace: 'store',
          hostname: host,
          selector: { app: 'shop' },
          ports: words.map((name) => ({
            name,
            number: servicePorts[name],
            targetPort: ports[name],
            protocol: protocols[name],
          })),
          endpoints: words.map((name) =>
            endpoint({ address: '127.0.0.1', port: ports[name], servicePort: servicePorts[name] }),
          ),
        }),
      ],
      authorizationPolicies: [],
      trust: { roots: cas.server.roots, peers: [{ trustDomain: ownDomain, roots: cas.client.roots, crls: [] }] },
      grants: [
        {
          trustDomain: ownDomain,
          allowed: [{ namespace: 'store', podLabels: { app: 'shop' }, targetPorts: words.map((word) => ports[word]) }],
        },
      ],
      gatewayExports: [{ hostname: host, ports: Object.values(servicePorts) }],
    };
    const clientModel: MeshModel = {
      ...model,
      services: [
        {
          ...imported,
          endpoints: [ports.first, ports.second].flatMap((port) =>
            Object.values(servicePorts).map((servicePort) =>
              endpoint({ address: '127.0.0.1', port, servicePort, network: '' }),
            ),
          ),
        },
      ],
      trust: { roots: cas.client.roots, peers: [{ trustDomain: peerDomain, roots: cas.server.roots, crls: [] }] },
    };

    const shop = proxy('sidecar~127.0.0.1~shop-1.store~store.svc.cluster.b');
    const gateway = proxy('router~127.0.0.1~gateway-1.isthmus-system~isthmus-system.svc.cluster.b');
    const client = proxy('sidecar~127.0.0.1~client-1.demo~demo.svc.cluster.a');
    const behind = words.map((word) => [
      `inbound|${ports[word]}||`,
      (applications[word].address() as AddressInfo).port,
    ]);
    await station(
      shop,
      `spiffe://${peerDomain}/ns/store/sa/shop`,
      {
        listeners: { virtualInbound: words.map((word) => ports[word]) },
        applications: Object.fromEntries(behind),
      },
      snapshotFor(serverModel, shop),
    );
    gateways = await Promise.all(
      [ports.first, ports.second].map((port) =>
        station(
          gateway,
          `spiffe://${peerDomain}/ns/isthmus-system/sa/gateway`,
          { listeners: { '0.0.0.0_15443': [port] }, applications: {} },
          snapshotFor(serverModel, gateway),
        ),
      ),
    );
    await station(
      client,
      `spiffe://${ownDomain}/ns/demo/sa/client`,
      {
        listeners: {
          '0.0.0.0_80': [ports.callHttp],
          '0.0.0.0_7070': [ports.callGrpc],
          '240.240.0.1_9000': [ports.callTcp],
        },
        applications: {},
      },
      snapshotFor(clientModel, client),
    );
  }, 240_000);

  afterAll(async () => {
    await Promise.all(stations.map(({ envoy }) => envoy.stop(1000)));
    for (const word of words) applications[word].close();
  });

  it('carries HTTP by name, with the caller’s identity', async () => {
    const { status, body } = await call(ports.callHttp, host);
    expect(status).toBe(200);
    expect(body).toContain(host);
    expect(body).toContain(`URI=spiffe://${ownDomain}/ns/demo/sa/client`);
  });

  it('carries gRPC', async () => {
    const session = connectHttp2(`http://127.0.0.1:${ports.callGrpc}`);
    const trailers = await new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/a.B/C',
        ':authority': host,
        'content-type': 'application/grpc',
      });
      stream.on('trailers', resolve).on('error', reject);
      stream.resume().end();
    });
    expect(trailers).toMatchObject({ 'grpc-status': '0' });
    session.close();
  });

  it('carries bytes', async () => {
    const socket = connectTcp(ports.callTcp, '127.0.0.1');
    socket.write('hello');
    const echoed = await new Promise((resolve) => socket.once('data', resolve));
    expect(String(echoed)).toBe('hello');
    socket.destroy();
  });

  it.each([
    ['a name that is not exported', `outbound_.${forbidden}_._.${host}`, ['istio']],
    ['the name of another kind of cluster', `outbound|80||${host}`, ['istio']],
    ['another host', 'outbound_.80_._.kubernetes.default.svc.cluster.b', ['istio']],
    ['an exported name without the mesh’s ALPN', `outbound_.80_._.${host}`, ['h2', 'http/1.1']],
  ])('the gateway closes %s', async (_name, servername, alpn) => {
    expect(await handshake(ports.first, servername, alpn)).toBe(false);
  });

  it('the gateway passes an exported name on', async () => {
    expect(await handshake(ports.first, `outbound_.80_._.${host}`, ['istio'])).toBe(true);
  });

  it('loses no call when one of two gateways is killed under load', async () => {
    const statuses: number[] = [];
    let going = true;
    const load = Array.from({ length: 8 }, async () => {
      while (going) statuses.push((await call(ports.callHttp, host)).status);
    });
    await waitFor('load', () => (statuses.length > 200 ? true : undefined));
    gateways[0]?.envoy.running.child.kill('SIGKILL');
    const before = statuses.length;
    await waitFor('load after the loss', () => (statuses.length > before + 500 ? true : undefined));
    going = false;
    await Promise.all(load);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  }, 90_000);

  it('forgets an export at the gateway, and only that one', async () => {
    const gateway = proxy('router~127.0.0.1~gateway-1.isthmus-system~isthmus-system.svc.cluster.b');
    // All tries of one connection may meet the gateway that is gone before it is given up for TCP too: a caller comes again.
    const { closed } = await waitFor('bytes by the gateway that is left', async () => {
      const socket = connectTcp(ports.callTcp, '127.0.0.1').on('error', () => undefined);
      const closed = new Promise<false>((resolve) => socket.once('close', () => resolve(false)));
      const answered = new Promise<true>((resolve) => socket.once('data', () => resolve(true)));
      socket.write('hello');
      return (await Promise.race([answered, closed])) ? { closed } : undefined;
    });
    gateways[1]?.serve(snapshotFor({ ...serverModel, gatewayExports: [{ hostname: host, ports: [80] }] }, gateway));
    await closed;
    expect((await call(ports.callHttp, host)).status).toBe(200);
    expect(await handshake(ports.second, `outbound_.9000_._.${host}`, ['istio'])).toBe(false);
    expect(stations.flatMap(({ envoy }) => envoy.refusals)).toEqual([]);
  }, 60_000);
});

/** Whether anybody behind the port shows a certificate for this server name. */
function handshake(port: number, servername: string, alpn: string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: '127.0.0.1', port, servername, ALPNProtocols: alpn, rejectUnauthorized: false });
    socket.once('secureConnect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
