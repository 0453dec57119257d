import { createServer as createHttpServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type MeshModel, SnapshotBuilder } from '#xds';
import { model, ownDomain, proxy, service, workload } from '../../../libs/xds/src/model.fixture.js';
import { freePort } from '../../harness/child.js';
import { type Identity } from './identities.js';
import { onLoopback } from './loopback.js';
import { certificateSecret, relocated } from './relocate.js';
import { ServedEnvoy } from './served-envoy.js';

export type ModelParts = Pick<MeshModel, 'trust'> & Partial<MeshModel>;

/** The inbound side of one sidecar, a real Envoy's, before an HTTP and a TCP application. */
export class InboundProxy {
  readonly #builder = new SnapshotBuilder();
  readonly #node = proxy('sidecar~127.0.0.1~echo-1.demo~demo.svc.cluster.a');
  readonly #envoy = new ServedEnvoy(this.#node.id);
  readonly #applications: readonly Server[];
  readonly #identity: Identity;
  readonly #ports: { readonly http: number; readonly tcp: number };

  private constructor(identity: Identity, ports: { readonly http: number; readonly tcp: number }) {
    this.#identity = identity;
    this.#ports = ports;
    this.#applications = [
      createHttpServer((_request, response) => response.end('hello')),
      createTcpServer((socket) => socket.on('error', () => undefined).pipe(socket)),
    ];
  }

  static async start(identity: Identity, parts: ModelParts): Promise<InboundProxy> {
    const started = new InboundProxy(identity, { http: await freePort(), tcp: await freePort() });
    try {
      for (const application of started.#applications) await onLoopback(application);
      started.serve(parts);
      await started.#envoy.start();
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  async stop(): Promise<void> {
    await this.#envoy.stop();
    for (const application of this.#applications) application.close();
  }

  /** What Envoy refused of what it was sent. */
  get refusals(): readonly string[] {
    return this.#envoy.refusals;
  }

  serve(parts: ModelParts): void {
    const { http, tcp } = this.#ports;
    const ports = [
      { name: 'http', number: 80, targetPort: http, protocol: 'HTTP' as const },
      { name: 'tcp', number: 90, targetPort: tcp, protocol: 'TCP' as const },
    ];
    const whole: MeshModel = {
      ...model,
      workloads: [workload({ name: 'echo', addresses: ['127.0.0.1'] })],
      services: [service({ name: 'echo', selector: { app: 'echo' }, ports })],
      authorizationPolicies: [],
      grants: [],
      ...parts,
    };
    const [httpPort = 0, tcpPort = 0] = this.#applications.map((each) => (each.address() as AddressInfo).port);
    const resources = relocated(this.#builder.snapshotFor(whole, this.#node), {
      listeners: { virtualInbound: [http, tcp] },
      applications: { [`inbound|${http}||`]: httpPort, [`inbound|${tcp}||`]: tcpPort },
    });
    this.#envoy.serve(resources, [certificateSecret(this.#identity)]);
  }

  /** Status of one HTTP request; undefined where no connection comes about. */
  async status(caller: Identity): Promise<number | undefined> {
    const socket = await tls(caller, this.#ports.http, ['istio-h2', 'istio', 'h2']).catch(() => undefined);
    if (socket === undefined) return undefined;
    const session = connectHttp2('https://echo', { createConnection: () => socket });
    session.on('error', () => undefined);
    return new Promise<number | undefined>((resolve) => {
      session.once('close', () => resolve(undefined));
      const stream = session.request({ ':path': '/' });
      stream.once('response', (fields) => resolve(Number(fields[':status'])));
      stream.once('error', () => resolve(undefined));
      stream.end();
    }).finally(() => session.destroy());
  }

  /** Whether the TCP application answers. */
  async reached(caller: Identity): Promise<boolean> {
    const socket = await tls(caller, this.#ports.tcp, ['istio']).catch(() => undefined);
    if (socket === undefined) return false;
    return new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true));
      socket.once('close', () => resolve(false));
      socket.on('error', () => undefined);
      socket.write('hello');
    }).finally(() => socket.destroy());
  }
}

/** Identity of the workload behind the proxy. */
export const inboundIdentity = `spiffe://${ownDomain}/ns/demo/sa/echo`;

function tls({ chain, key }: Identity, port: number, ALPNProtocols: string[]): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const offer = { cert: chain, key, ALPNProtocols, servername: 'echo', rejectUnauthorized: false };
    const socket = connectTls({ host: '127.0.0.1', port, ...offer });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}
