import { createServer as createHttpServer, request } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import type { Server } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { snapshotFor } from '#xds';
import { endpoint, model, ownDomain, proxy, service } from '../../libs/xds/src/model.fixture.js';
import { freePort } from '../harness/child.js';
import { caFor, identityFor } from './xds/identities.js';
import { onLoopback } from './xds/loopback.js';
import { certificateSecret, relocated } from './xds/relocate.js';
import { ServedEnvoy } from './xds/served-envoy.js';

/** What a server saw of the requests whose connection it cuts once it has read them; the next one it answers. */
const seen: { method: string; retryOn: unknown }[] = [];
const ca = caFor(ownDomain);
const applications: Server[] = [];
const ports = { http: 0, grpc: 0 };
const node = proxy('sidecar~127.0.0.1~client-1.demo~demo.svc.cluster.a');
const envoy = new ServedEnvoy(node.id, 2);

beforeAll(async () => {
  const http = createHttpServer((got, response) => {
    seen.push({ method: got.method ?? '', retryOn: got.headers['x-envoy-retry-on'] });
    if (seen.length === 1) got.socket.destroy();
    else response.end();
  });
  const grpc = createHttp2Server().on('stream', (stream, headers) => {
    seen.push({ method: String(headers[':method']), retryOn: headers['x-envoy-retry-on'] });
    if (seen.length === 1) {
      stream.session?.destroy();
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' })).end();
  });
  applications.push(http, grpc);
  const targets = await Promise.all(applications.map(onLoopback));
  for (const word of ['http', 'grpc'] as const) ports[word] = await freePort();
  const shop = service({
    name: 'shop',
    hostname: 'shop.demo.svc.cluster.a',
    ports: [
      { name: 'http', number: 80, protocol: 'HTTP' },
      { name: 'grpc', number: 7070, protocol: 'GRPC' },
    ],
    endpoints: [80, 7070].map((servicePort, index) =>
      endpoint({ address: '127.0.0.1', port: targets[index] ?? 0, servicePort, tlsMode: 'disabled' }),
    ),
  });
  const places = { listeners: { '0.0.0.0_80': [ports.http], '0.0.0.0_7070': [ports.grpc] }, applications: {} };
  envoy.serve(
    relocated(snapshotFor({ ...model, services: [shop], trust: { roots: ca.roots, peers: [] } }, node), places),
    [certificateSecret(identityFor(ca, `spiffe://${ownDomain}/ns/demo/sa/client`))],
  );
  await envoy.start();
}, 120_000);

afterAll(async () => {
  await envoy.stop(1000);
  for (const server of applications) server.close();
});

beforeEach(() => {
  seen.length = 0;
});

describe('a connection that is lost once the server has read the request', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE'])('%s is sent again', async (method) => {
    expect(await call(method)).toBe(200);
    expect(seen).toEqual([
      { method, retryOn: undefined },
      { method, retryOn: undefined },
    ]);
  });

  it.each([
    ['POST', {}],
    ['PUT', {}],
    ['DELETE', {}],
    ['PATCH', {}],
    ['POST', { 'content-type': 'application/grpcish' }],
    ['POST', { 'content-type': 'application/json' }],
  ])('%s %j is not: it may have been carried out', async (method, headers) => {
    expect(await call(method, headers)).toBe(503);
    expect(seen).toHaveLength(1);
  });

  it('a caller cannot bring it about by itself', async () => {
    expect(await call('POST', { 'x-envoy-retry-on': 'reset' })).toBe(503);
    expect(seen).toEqual([{ method: 'POST', retryOn: undefined }]);
  });

  it.each(['application/grpc', 'application/grpc+proto'])('a gRPC call (%s) is', async (contentType) => {
    const session = connectHttp2(`http://127.0.0.1:${ports.grpc}`);
    const trailers = await new Promise((resolve, reject) => {
      const stream = session.request({
        ...{ ':method': 'POST', ':path': '/a.B/C', ':authority': 'shop.demo.svc.cluster.a' },
        'content-type': contentType,
      });
      stream.on('trailers', resolve).on('error', reject);
      stream.resume().end();
    });
    session.close();
    expect(trailers).toMatchObject({ 'grpc-status': '0' });
    expect(seen).toHaveLength(2);
  });

  it('Envoy took all that it was sent', () => {
    expect(envoy.refusals).toEqual([]);
  });
});

function call(method: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: ports.http, method, headers: { host: 'shop.demo.svc.cluster.a', ...headers } },
      (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)),
    );
    sent.on('error', reject).end();
  });
}
