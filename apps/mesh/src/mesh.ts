import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerCredentials } from '@grpc/grpc-js';
import type { ConfigMap } from '#istio-api';
import { Informer, resources, type KubeClient } from '#kube';
import { annotations, names, type Clock } from '#model';
import type { Logger } from '#platform';
import type { Digest } from '#xds';
import { CaKeeper } from './certificates/ca-keeper.js';
import { CaReport } from './certificates/ca-report.js';
import { StatusWriter } from './registries/status-writer.js';
import { readOrCreateCa, type CaSecretOptions, type LoadedCa } from './certificates/ca-secret.js';
import { CertificateAuthority } from './certificates/certificate-authority.js';
import { RootDistribution } from './certificates/root-distribution.js';
import { MeshServerCredentials } from './certificates/server-credentials.js';
import { serverNames } from './certificates/server-names.js';
import type { ListenAddress, MeshConfig } from './config.js';
import { DiscoveryServer, type CertificateIssuer } from './discovery/discovery-server.js';
import { StreamLog } from './discovery/stream-log.js';
import { clusterTokenAuthority } from './discovery/token-authority.js';
import { TokenReviews } from './discovery/token-reviews.js';
import { MeshIndex } from './index/mesh-index.js';
import type { MeshMetrics } from './monitoring/metrics.js';
import { writeReplacing } from './output-files.js';
import { ServedModels } from './served-models.js';

export interface MeshOptions {
  readonly config: MeshConfig;
  readonly client: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly metrics: MeshMetrics;
}

const caRetryMs = 2_000;
/** Istio's own default, where nobody says who this cluster is. */
const nameless = 'Kubernetes';
/** So long a start waits to read who this cluster is; what is read later is taken up then. */
const identityMs = 5_000;

/** The mesh core: CA, index and discovery server, put together. Nothing in here knows of the process it runs in. */
export class Mesh {
  readonly index: MeshIndex;
  readonly discovery: DiscoveryServer;
  readonly #options: MeshOptions;
  readonly #authority: CertificateAuthority;
  readonly #keeper: CaKeeper;
  readonly #credentials: MeshServerCredentials;

  private constructor(options: MeshOptions, loaded: LoadedCa) {
    const { config, clock, logger, client, metrics } = options;
    this.#options = options;
    this.#cluster = new Informer({
      client,
      logger,
      resource: resources.configMaps,
      namespace: config.namespace,
      fieldSelector: `metadata.name=${names.clusterConfigMap}`,
    });
    const { trustDomain, maxWorkloadCertTtlSeconds: maxTtlSeconds } = config;
    this.#authority = new CertificateAuthority(loaded.ca, { trustDomain, clock, maxTtlSeconds });
    const served = serverNames(config);
    const certificate = this.#authority.serverCertificate(served);
    this.#credentials = new MeshServerCredentials(certificate);
    this.index = new MeshIndex({
      ...indexOptions(options),
      roots: () => this.#authority.roots,
      crls: () => this.#authority.crls,
      crlsChangeAt: () => this.#authority.crlsChangeAt,
    });
    const models = new ServedModels(() => this.index.current);
    const log = new StreamLog({ logger, metrics, clock, current: () => this.index.current });
    this.discovery = new DiscoveryServer({
      clock,
      reviews: new TokenReviews(clusterTokenAuthority(client), clock),
      certificates: counted(this.#authority, { metrics, logger, issued: (one) => this.#keeper.issued(one) }),
      source: () => models.source(),
      digest: sha256Digest,
      observer: log,
      maxStreamsPerSecond: config.maxStreamsPerSecond,
      maxConnectionAgeMs: config.maxConnectionAgeMs,
    });
    this.#keeper = new CaKeeper({
      secret: caSecretOptions(options),
      authority: this.#authority,
      loaded,
      names: served,
      certificate,
      report: new CaReport(client, config.namespace),
      announceMs: config.rootAnnounceSeconds * 1000,
      clock,
      logger,
      request: () => this.#rotationRequest(),
      distributed: () => this.#roots?.complete ?? false,
      onCertificate: (renewed) => this.#credentials.reload(renewed),
      onRoots: () => this.#rootsChanged(),
    });
    this.index.onModel((version) => {
      metrics.modelBuilt(version.builtAt - version.changedAt);
      this.discovery.pushAll();
    });
  }

  #roots: RootDistribution | undefined;
  /** ConfigMap `isthmus-cluster`: who this cluster is, and the wish for another root, stand there. */
  readonly #cluster: Informer<ConfigMap>;

  /** Loads or makes the CA first; without an API server it waits for one. */
  static async create(options: MeshOptions, signal: AbortSignal): Promise<Mesh> {
    return new Mesh(options, await caOnceThere(options, signal));
  }

  /** End of the CA's signing certificate, Unix milliseconds. */
  get caNotAfter(): number {
    return this.#authority.notAfter;
  }

  /** Namespaces that still wait for the current roots. */
  get namespacesWithoutRoots(): number {
    return this.#roots?.missing ?? 0;
  }

  /** Watches until the first model stands, then accepts streams; returns the address of the xDS port. */
  async start(signal: AbortSignal): Promise<ListenAddress> {
    const { client, logger, config } = this.#options;
    const { namespaces } = this.index;
    this.#roots = new RootDistribution({ client, logger, namespaces, roots: () => this.#authority.rootBundle }, signal);
    this.#roots.start();
    this.#cluster.start(signal);
    this.#cluster.onChange(() => {
      this.#identify();
      void this.#keeper.look();
    });
    this.#keeper.start(signal);
    if (config.caOut !== undefined) writeReplacing(config.caOut, this.#authority.rootBundle);
    if (config.clusterID === undefined) await this.#identityRead();
    await this.index.start(signal);
    if (config.multicluster) this.#tellRemotes(signal);
    const { xdsAddress, xdsPlaintextAddress } = config;
    const port = await this.discovery.listen({
      address: textOf(xdsAddress),
      credentials: this.#credentials,
      authenticated: true,
    });
    if (xdsPlaintextAddress !== undefined) {
      const credentials = ServerCredentials.createInsecure();
      await this.discovery.listen({ address: textOf(xdsPlaintextAddress), credentials, authenticated: false });
      logger.warn({ address: textOf(xdsPlaintextAddress) }, 'xDS is served without TLS or authentication there');
    }
    return { host: xdsAddress.host, port };
  }

  #tellRemotes(signal: AbortSignal): void {
    const { client, logger, clock, config } = this.#options;
    const { rootNamespace, podName } = config;
    const reports = (): ReturnType<MeshIndex['remoteReports']> => this.index.remoteReports();
    const livingPods = (): ReadonlySet<string> => this.index.podNames(rootNamespace);
    const writer = new StatusWriter({ client, logger, clock, rootNamespace, podName, reports, livingPods });
    this.index.onRemoteStatus(() => writer.changed());
    this.index.onModel(() => writer.changed());
    writer.start(signal);
  }

  /** Without the ConfigMap (a mesh core alone, a controller that is still to come) the start goes on nameless. */
  async #identityRead(): Promise<void> {
    const wait = new AbortController();
    await Promise.race([this.#cluster.synced, sleep(identityMs, undefined, { signal: wait.signal })]);
    wait.abort();
    this.#identify();
  }

  /** An ID once read stays when the ConfigMap is gone. */
  #identify(): void {
    const { clusterID } = this.#identity?.data ?? {};
    if (this.#options.config.clusterID === undefined && clusterID !== undefined && clusterID !== '')
      this.index.identify(clusterID);
  }

  get #identity(): ConfigMap | undefined {
    return this.#cluster.get(this.#options.config.namespace, names.clusterConfigMap);
  }

  #rotationRequest(): string | undefined {
    const wish = this.#identity?.metadata?.annotations?.[annotations.rotateRoot];
    return wish === '' ? undefined : wish;
  }

  #rootsChanged(): void {
    const { config } = this.#options;
    if (config.caOut !== undefined) writeReplacing(config.caOut, this.#authority.rootBundle);
    this.#roots?.distribute();
    this.index.changed();
  }
}

function indexOptions({
  config,
  client,
  logger,
  clock,
}: MeshOptions): Omit<ConstructorParameters<typeof MeshIndex>[0], 'roots' | 'crls' | 'crlsChangeAt'> {
  const { clusterID = nameless, trustDomain, clusterDomain, network, rootNamespace, outboundTrafficPolicy } = config;
  return {
    client,
    logger,
    clock,
    cluster: { clusterID, trustDomain, clusterDomain, network, rootNamespace },
    settings: { outboundTrafficPolicy },
    namespace: config.namespace,
    peersNamespace: config.peersNamespace,
    publicServiceLabel: config.publicServiceLabel,
    multicluster: config.multicluster,
    debounce: config.debounce,
  };
}

function caSecretOptions({ client, config, clock }: MeshOptions): CaSecretOptions {
  const { rootNamespace, trustDomain } = config;
  return { client, rootNamespace, trustDomain, clock };
}

/** The API server may come up after us, the namespace may be made a moment later: both are waited for. */
async function caOnceThere(options: MeshOptions, signal: AbortSignal): Promise<LoadedCa> {
  for (;;) {
    try {
      return await readOrCreateCa(caSecretOptions(options));
    } catch (error) {
      if (signal.aborted) throw error;
      options.logger.warn({ err: error, retryInMs: caRetryMs }, 'the workload CA is not there yet');
      await new Promise((resolve) => setTimeout(resolve, caRetryMs));
    }
  }
}

interface IssueObservers {
  readonly metrics: MeshMetrics;
  readonly logger: Logger;
  readonly issued: CaKeeper['issued'];
}

function counted(
  authority: CertificateAuthority,
  { metrics, logger, issued: tell }: IssueObservers,
): CertificateIssuer {
  return {
    issue: (csr, ttlSeconds, identity) => {
      try {
        const { chain, issued } = authority.issue(csr, ttlSeconds, identity);
        tell(issued);
        metrics.certificate('issued');
        logger.debug({ ...identity }, 'workload certificate issued');
        return chain;
      } catch (error) {
        metrics.certificate('refused');
        logger.info({ err: error, ...identity }, 'workload certificate refused');
        throw error;
      }
    },
  };
}

const sha256Digest: Digest = (parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 24);
};

function textOf({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
