import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createRegistry, createLogger } from '#platform';
import type { Registry } from '#platform';
import { HttpKubeClient, kubeconfigAccess } from '#kube';
import { loadConfig } from '../../../apps/mesh/src/config.js';
import { Mesh } from '../../../apps/mesh/src/mesh.js';
import { MeshMetrics } from '../../../apps/mesh/src/monitoring/metrics.js';
import type { ApiServer } from '../../harness/api-server.js';

/** One replica of the mesh core, in this process, on a real API server. */
export interface Replica {
  readonly mesh: Mesh;
  readonly port: number;
  /** Sum of one metric over all its labels. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startReplica(api: ApiServer, flags: readonly string[] = []): Promise<Replica> {
  const argv = ['--kubeconfig', api.kubeconfig, '--xds-address', '127.0.0.1:0', '--trust-domain', 'test.example'];
  const config = loadConfig([...argv, ...flags], { LOG_LEVEL: process.env['MESH_LOG'] ?? 'silent' });
  const registry = createRegistry('mesh');
  const stop = new AbortController();
  const client = new HttpKubeClient(await kubeconfigAccess(api.kubeconfig), 'isthmus-mesh-test');
  const options = {
    config,
    client,
    logger: createLogger({ app: 'mesh', level: config.logLevel }),
    clock: { now: () => Date.now() },
    metrics: new MeshMetrics(registry),
  };
  const mesh = await Mesh.create(options, stop.signal);
  const { port } = await mesh.start(stop.signal);
  return {
    mesh,
    port,
    metric: (name) => sumOf(registry, name),
    stop: async () => {
      await mesh.discovery.close(200);
      stop.abort();
      await client.close();
    },
  };
}

async function sumOf(registry: Registry, name: string): Promise<number> {
  const found = (await registry.getMetricsAsJSON()).find((metric) => metric.name === name);
  return (found?.values ?? []).reduce((sum, { value }) => sum + value, 0);
}

/** A port behind which replicas are changed, as a Service does; what is connected stays until it is cut. */
export class Relay {
  target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((socket) => this.#join(socket));
  }

  static async open(target: number): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sends new connections to another replica and cuts the ones there are. */
  switchTo(target: number): void {
    this.target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(socket: Socket): void {
    const upstream = createConnection(this.target, '127.0.0.1');
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
