import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathFor, resources } from '#kube';
import type { KubeClient } from '#kube';
import { names as objectNames } from '#model';
import { startApiServer } from '../../harness/api-server.js';
import type { ApiServer } from '../../harness/api-server.js';
import { freePort, startChild, waitFor } from '../../harness/child.js';
import type { Child } from '../../harness/child.js';
import { machineAddress } from '../../harness/machine-address.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { ownDomain, ownUUID, releaseNamespace, RenderedChart } from './chart.js';
import { NameServer } from './name-server.js';
import { Peer } from './peer.js';
import { PeerServer } from './peer-server.js';

const node = resolve('node_modules/node/bin/node');
const program = (app: string): string => resolve(`dist/apps/${app}/src/main.js`);

/** A controller as a pod would run it; `--plan` and other arguments after the program. */
export interface Controller extends Child {
  /** Resident memory now and at its highest, MiB. */
  memory(): { readonly now: number; readonly peak: number };
  alive(): boolean;
  /** What its readiness probe would be told. */
  ready(): Promise<boolean>;
  /** What Prometheus would scrape. */
  metrics(): Promise<string>;
  log(): string;
}

/** What the cluster needs beside its API server. */
interface Others {
  readonly mesh: Child;
  readonly meshPort: number;
  readonly names: NameServer;
}

/** API server, CRDs, the chart's rights and the mesh core (which certifies the signing key); no kubelet, no peers yet. */
export class Cluster {
  readonly #servers: PeerServer[] = [];
  readonly #controllers: Controller[] = [];

  private constructor(
    readonly api: ApiServer,
    readonly chart: RenderedChart,
    readonly directory: string,
    /** Certificate under which peers serve. */
    readonly ca: string,
    private readonly others: Others,
  ) {}

  /** `more` goes over the values that the chart is rendered with. */
  static async start(more: object = {}): Promise<Cluster> {
    const api = await startApiServer({ host: machineAddress() });
    const directory = join(api.directory, 'product');
    mkdirSync(directory);
    const values = {
      clusterDomain: ownDomain,
      clusterUUID: ownUUID,
      controller: { documents: { pollSeconds: 1 } },
      gateway: { addresses: ['203.0.113.1:15443'] },
      ...more,
    };
    const ca = await writeServingCertificate(join(directory, 'tls'));
    const chart = await RenderedChart.render(values, directory);
    await chart.install(api.client);
    const names = await NameServer.start();
    const meshPort = await freePort();
    const kubeconfig = await writeKubeconfig(api, directory, { namespace: 'istio-system', name: 'isthmus-mesh' });
    const mesh = startChild({
      command: node,
      args: [
        ...[program('mesh'), ...chart.args('isthmus-mesh')],
        ...[`--xds-address=127.0.0.1:${meshPort}`, `--monitoring-address=127.0.0.1:${await freePort()}`],
        `--kubeconfig=${kubeconfig}`,
      ],
      logFile: join(directory, 'mesh.log'),
      env: {
        PATH: process.env['PATH'],
        ...chart.environment('isthmus-mesh'),
      },
    });
    return new Cluster(api, chart, directory, ca, { mesh, meshPort, names });
  }

  get client(): KubeClient {
    return this.api.client;
  }

  /** Address of the API server as the controller knows it. */
  get apiAddress(): string {
    return new URL(this.api.server).hostname;
  }

  /** Starts the program with the chart's environment, the chart's rights, and name servers of ours. */
  async controller(podName: string, args: readonly string[] = []): Promise<Controller> {
    const account = { namespace: releaseNamespace, name: 'isthmus-controller' };
    const place = join(this.directory, podName);
    mkdirSync(place);
    const kubeconfig = await writeKubeconfig(this.api, place, account);
    writeFileSync(join(place, 'istio-token'), await token(this.api.client, account, 'istio-ca'));
    writeFileSync(join(place, 'resolv.conf'), `nameserver ${this.others.names.address}\n`);
    const logFile = join(place, 'controller.log');
    const httpPort = await freePort();
    const inNamespace = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
    const child = startChild({
      command: 'unshare',
      args: ['-m', 'sh', '-c', inNamespace, join(place, 'resolv.conf'), node, program('controller'), ...args],
      logFile,
      env: {
        PATH: process.env['PATH'],
        ...this.chart.environment('isthmus-controller'),
        POD_NAMESPACE: releaseNamespace,
        POD_NAME: podName,
        KUBECONFIG: kubeconfig,
        ISTHMUS_HTTP_PORT: String(httpPort),
        ISTHMUS_MESH_ADDRESS: `localhost:${this.others.meshPort}`,
        ISTHMUS_MESH_TOKEN_FILE: join(place, 'istio-token'),
        // Never answers: the store is history only, and nothing here may need it.
        DATABASE_URL: 'postgres://127.0.0.1:9/none',
      },
    });
    const asked = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${httpPort}/${path}`);
    const ready = async (): Promise<boolean> => (await asked('readyz')).ok;
    const metrics = async (): Promise<string> => (await asked('metrics')).text();
    const controller = {
      ...child,
      ready,
      metrics,
      log: () => readFileSync(logFile, 'utf8'),
      ...processFacts(child.pid),
    };
    this.#controllers.push(controller);
    return controller;
  }

  /** The same, once it leads and peers can be told who this cluster is: nothing that is waited for afterwards waits for a cold start too. */
  async firstController(podName: string): Promise<Controller> {
    const controller = await this.controller(podName);
    const document = { namespace: releaseNamespace, name: objectNames.publicDocumentSecret };
    await waitFor('the public document', () => this.client.get(pathFor(resources.secrets, document)), {
      timeoutMs: 120_000,
      logFile: controller.logFile,
    });
    return controller;
  }

  /** Where to look when what the controller should do does not come: the one that was started last. */
  get logFile(): string | undefined {
    return this.#controllers.at(-1)?.logFile;
  }

  /** A peer that behaves, on a server of its own. */
  async peer(name: string): Promise<Peer> {
    const server = await PeerServer.start(join(this.directory, 'tls'));
    this.#servers.push(server);
    const peer = new Peer(name, server);
    peer.behave();
    return peer;
  }

  /** The peer's IstioFederation as an operator applies it; `more` goes over its spec; what it does not name of an earlier one is gone. */
  async applyResource(peer: Peer, more: object = {}): Promise<void> {
    await this.client.apply(peer.resource(this.ca, more), { fieldManager: 'operator' });
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) server.stop();
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    await this.others.mesh.stop();
    this.others.names.stop();
    await this.api.stop();
  }
}

function processFacts(pid: number): Pick<Controller, 'memory' | 'alive'> {
  const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8');
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(read('status'))?.[1]) / 1024;
  return {
    memory: () => ({ now: mebibytes('VmRSS'), peak: mebibytes('VmHWM') }),
    alive: () => {
      try {
        return !/^State:\s+[ZX]/m.test(read('status'));
      } catch {
        return false;
      }
    },
  };
}

interface Account {
  readonly namespace: string;
  readonly name: string;
}

async function token(client: KubeClient, account: Account, audience?: string): Promise<string> {
  const spec = { expirationSeconds: 3600, ...(audience === undefined ? {} : { audiences: [audience] }) };
  const answer = await client.request({
    method: 'POST',
    path: `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }),
  });
  const { status } = JSON.parse(answer.body) as { readonly status?: { readonly token?: string } };
  if (status?.token === undefined) throw new Error(`no token for ${account.name}: ${answer.body}`);
  return status.token;
}

async function writeKubeconfig(api: ApiServer, directory: string, account: Account): Promise<string> {
  const file = join(directory, `${account.name}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      {
        name: 'test',
        cluster: { server: api.server, 'certificate-authority-data': Buffer.from(api.ca).toString('base64') },
      },
    ],
    users: [{ name: account.name, user: { token: await token(api.client, account) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: account.name } }],
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}
