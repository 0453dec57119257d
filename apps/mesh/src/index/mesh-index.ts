import { parseIstioFederation, type IstioFederation } from '#crd';
import type {
  AuthorizationPolicy,
  ConfigMap,
  DestinationRule,
  KubernetesObject,
  Namespace,
  PeerAuthentication,
  Secret,
  ServiceEntry,
} from '#istio-api';
import { Informer, resources, type KubeClient, type KubeLogger, type ResourcePath } from '#kube';
import { emptyTrustRegistry, labels, names, trustRegistryIn, type Clock, type TrustRegistry } from '#model';
import type { MeshCluster, MeshModel, MeshSettings } from '#xds';
import { HostResolver } from '../gateway/host-resolver.js';
import { ownApiServer } from '../gateway/own-api-server.js';
import { ClusterInformers } from '../registries/cluster-informers.js';
import { MeshNetworks } from '../registries/mesh-networks.js';
import { RegistryKeeper } from '../registries/registry-keeper.js';
import { RemoteClusters } from '../registries/remote-clusters.js';
import type { ClusterReport } from '../registries/status-writer.js';
import { portConflicts } from '../registries/port-conflicts.js';
import { standingEndpoints } from '../registries/registry-services.js';
import { Debounce } from './debounce.js';
import { ListsInForce } from './lists-in-force.js';
import { sameItems } from './memo.js';
import { ModelBuilder, serviceFinder } from './model-builder.js';
import { PolicyFaults } from './policy-faults.js';
import { gatewayHostsOf } from './service-entries.js';

/** One model with when its first change was seen and when it was complete, Unix milliseconds. */
export interface ModelVersion {
  readonly generation: number;
  readonly model: MeshModel;
  readonly changedAt: number;
  readonly builtAt: number;
}

export interface MeshIndexOptions {
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  readonly clock: Clock;
  /** With the ID by which the cluster goes until `identify` tells another. */
  readonly cluster: MeshCluster;
  readonly settings: MeshSettings;
  /** Release namespace, where Secret `isthmus-trust` is. */
  readonly namespace: string;
  /** Where what was read of other clusters is kept. */
  readonly peersNamespace: string;
  readonly publicServiceLabel: string;
  /** Read nodes, remote Secrets and `meshNetworks`, and through these other clusters. */
  readonly multicluster: boolean;
  readonly debounce: { readonly quietMs: number; readonly maxMs: number };
  /** Own roots, PEM each; the same array until they change. */
  readonly roots: () => readonly string[];
  /** Own revocation lists, likewise. */
  readonly crls: () => readonly string[];
  /** When time alone may change `crls`, Unix milliseconds. */
  readonly crlsChangeAt: () => number | undefined;
}

/** What only multicluster needs to be read of our own cluster. */
interface MulticlusterInformers {
  readonly remoteSecrets: Informer<Secret>;
  readonly meshConfig: Informer<ConfigMap>;
}

/** A new replica gives the names of gateways this moment, so that it does not begin with fewer endpoints than the old ones. */
const resolveMs = 1_000;

type Listener = (version: ModelVersion) => void;

/** Watches the cluster and turns what it sees into one immutable model after another. */
export class MeshIndex {
  /** The other clusters that are read; none where multicluster is off. */
  readonly remotes: RemoteClusters;
  readonly #registry: ClusterInformers;
  readonly #multicluster: MulticlusterInformers | undefined;
  readonly #keeper: RegistryKeeper;
  readonly #options: MeshIndexOptions;
  readonly #informers;
  readonly #resolver: HostResolver;
  #cluster: MeshCluster;
  #builder: ModelBuilder;
  #followRemotes: () => void = () => undefined;
  readonly #policyFaults: PolicyFaults;
  readonly #lists: ListsInForce;
  readonly #debounce: Debounce;
  readonly #listeners = new Set<Listener>();
  readonly #statusListeners = new Set<() => void>();
  readonly #federations = new WeakMap<object, IstioFederation | undefined>();
  #trusted: { readonly secret: Secret | undefined; readonly value: TrustRegistry } = {
    secret: undefined,
    value: emptyTrustRegistry,
  };
  #networks: { readonly texts: readonly (string | undefined)[]; readonly value: MeshNetworks } = {
    texts: [],
    value: MeshNetworks.none,
  };
  #current: ModelVersion | undefined;

  constructor(options: MeshIndexOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    const { client, clock, logger, namespace, cluster } = options;
    this.#registry = new ClusterInformers({ client, logger, nodes: options.multicluster });
    this.#multicluster = options.multicluster ? this.#multiclusterInformers() : undefined;
    this.#keeper = new RegistryKeeper({
      client,
      logger,
      clock,
      namespace: options.peersNamespace,
      followed: () => this.remotes.registries,
      onLoaded: () => this.changed(),
      onFault: () => this.#statusChanged(),
    });
    this.remotes = new RemoteClusters({
      ownClusterID: () => this.#cluster.clusterID,
      logger,
      clock,
      onChange: () => this.changed(),
      onStatus: () => this.#statusChanged(),
      kept: (owner) => this.#keeper.find(owner),
    });
    this.#informers = {
      serviceEntries: this.#informer<ServiceEntry>(resources.serviceEntries),
      destinationRules: this.#informer<DestinationRule>(resources.destinationRules),
      peerAuthentications: this.#informer<PeerAuthentication>(resources.peerAuthentications),
      authorizationPolicies: this.#informer<AuthorizationPolicy>(resources.authorizationPolicies),
      federations: this.#informer<KubernetesObject>(resources.istioFederations),
      trust: this.#informer<Secret>(resources.secrets, {
        namespace,
        fieldSelector: `metadata.name=${names.trustSecret}`,
      }),
    };
    this.#policyFaults = new PolicyFaults({ trustDomain: cluster.trustDomain, logger });
    this.#lists = new ListsInForce({ clock, logger, onChange: () => this.changed() });
    this.#builder = this.#newBuilder();
    this.#debounce = new Debounce((changedAt) => this.#rebuild(changedAt), { ...options.debounce, clock });
    this.#resolver = new HostResolver({
      clock,
      ownAddresses: () => ownApiServer(client.server, this.#registry.objects),
      onChange: () => this.changed(),
      onFailure: (host, error) => logger.warn({ err: error, host }, 'name of a gateway does not resolve; tried again'),
    });
  }

  /** The newest model; undefined until every collection has been read once. */
  get current(): ModelVersion | undefined {
    return this.#current;
  }

  get namespaces(): Informer<Namespace> {
    return this.#registry.namespaces;
  }

  /** Names of the pods of a namespace of ours. */
  podNames(namespace: string): ReadonlySet<string> {
    const pods = this.#registry.pods.list().filter(({ metadata }) => metadata?.namespace === namespace);
    return new Set(pods.map(({ metadata }) => metadata?.name ?? ''));
  }

  /** AuthorizationPolicies that are not understood as a whole. */
  get faultyPolicies(): number {
    return this.#policyFaults.faulty;
  }

  /** How far every other cluster has been read, by its ID. */
  remoteReports(): Readonly<Record<string, ClusterReport>> {
    const objects = new Map(this.remotes.views.map((view) => [view.clusterID, view.objects]));
    const remotes = [...objects].map(([clusterID, { services }]) => ({ clusterID, services }));
    const own = [this.#options.cluster.rootNamespace, this.#options.namespace];
    const conflicts = portConflicts(this.#registry.objects.services, remotes, own);
    return Object.fromEntries(
      this.remotes.states.map(({ clusterID, synced, lastContact, error, withdrawnHosts }) => {
        const { services = [], endpointSlices = [] } = objects.get(clusterID) ?? {};
        const endpoints = standingEndpoints(endpointSlices, withdrawnHosts, this.#options.cluster.clusterDomain);
        const notKept = this.#keeper.fault(clusterID);
        const counts = { services: services.length, endpoints };
        const withdrawn = withdrawnHosts.size === 0 ? {} : { withdrawnServices: withdrawnHosts.size };
        const report = { synced, lastContact, ...counts, ...withdrawn };
        const differing = conflicts.get(clusterID);
        const trouble = { ...(error === undefined ? {} : { error }), ...(notKept === undefined ? {} : { notKept }) };
        return [clusterID, { ...report, ...trouble, ...(differing === undefined ? {} : { conflicts: differing }) }];
      }),
    );
  }

  onModel(listener: Listener): void {
    this.#listeners.add(listener);
  }

  /** Our own ID has become known: models, networks and remote Secrets are read anew with it. */
  identify(clusterID: string): void {
    if (clusterID === this.#cluster.clusterID) return;
    this.#options.logger.info({ clusterID }, 'this cluster’s ID');
    this.#cluster = { ...this.#cluster, clusterID };
    this.#builder = this.#newBuilder();
    this.#followRemotes();
    this.changed();
  }

  /** Something outside the watched collections changed, for instance our roots. */
  changed(): void {
    if (this.#current !== undefined) this.#debounce.trigger();
  }

  /** Starts to watch; settles with the first model. */
  async start(signal: AbortSignal): Promise<void> {
    const all = [...Object.values(this.#informers), ...Object.values(this.#multicluster ?? {})];
    for (const informer of all) informer.start(signal);
    this.#registry.start(signal);
    this.#resolver.start(signal);
    signal.addEventListener('abort', () => this.#stop(), { once: true });
    await Promise.all([this.#registry.synced(), ...all.map((informer) => informer.synced)]);
    for (const informer of Object.values(this.#informers)) informer.onChange(() => this.#debounce.trigger());
    this.#registry.onChange(() => this.#debounce.trigger());
    await this.#startRemotes(signal);
    this.#wantHosts();
    await this.#resolver.asked(resolveMs);
    this.#rebuild(this.#options.clock.now());
  }

  /** Calls back when what is known of some other cluster's state has changed. */
  onRemoteStatus(listener: () => void): void {
    this.#statusListeners.add(listener);
  }

  async #startRemotes(signal: AbortSignal): Promise<void> {
    if (this.#multicluster === undefined) return;
    const { remoteSecrets, meshConfig } = this.#multicluster;
    meshConfig.onChange(() => this.#debounce.trigger());
    await this.#keeper.load(signal);
    this.#followRemotes = () => this.remotes.update(remoteSecrets.list());
    remoteSecrets.onChange(() => {
      this.#followRemotes();
      this.#keeper.look();
    });
    this.#followRemotes();
    this.#keeper.start(signal);
    await this.remotes.settled();
  }

  #newBuilder(): ModelBuilder {
    return new ModelBuilder({ ...this.#options, cluster: this.#cluster, ownNamespaces: [this.#options.namespace] });
  }

  #stop(): void {
    this.#debounce.stop();
    this.#lists.stop();
    void this.remotes.stop();
  }

  #statusChanged(): void {
    for (const listener of this.#statusListeners) listener();
  }

  #rebuild(changedAt: number): void {
    const { logger, clock } = this.#options;
    try {
      const model = this.#build();
      this.#policyFaults.look(model.authorizationPolicies);
      if (model === this.#current?.model) return;
      const generation = (this.#current?.generation ?? 0) + 1;
      this.#current = { generation, model, changedAt, builtAt: clock.now() };
    } catch (error) {
      logger.error({ err: error }, 'no model could be made of the cluster; the last one stays');
      if (this.#current === undefined) throw error;
      return;
    }
    for (const listener of this.#listeners) listener(this.#current);
  }

  #build(): MeshModel {
    const informers = this.#informers;
    this.#wantHosts();
    return this.#builder.build({
      ...this.#registry.objects,
      remotes: this.remotes.views,
      meshNetworks: this.#meshNetworks(),
      serviceEntries: informers.serviceEntries.list(),
      destinationRules: informers.destinationRules.list(),
      peerAuthentications: informers.peerAuthentications.list(),
      authorizationPolicies: informers.authorizationPolicies.list(),
      federations: informers.federations.list().flatMap((object) => this.#federation(object) ?? []),
      registry: this.#lists.look(this.#trustRegistry(), this.#options.crlsChangeAt()),
      crls: this.#options.crls(),
      roots: this.#options.roots(),
      resolved: this.#resolver.resolved,
    });
  }

  /** Names of gateways, of peers and of networks, are resolved for all proxies. */
  #wantHosts(): void {
    const { services } = this.#registry.objects;
    const find = serviceFinder({ services, remotes: this.remotes.views }, this.#cluster.clusterID);
    const entries = this.#informers.serviceEntries.list();
    this.#resolver.want([...entries.flatMap(gatewayHostsOf), ...this.#meshNetworks().hosts(find)]);
  }

  /** A resource that an older API server let through grants nothing until it is put right. */
  #federation(object: KubernetesObject): IstioFederation | undefined {
    if (!this.#federations.has(object)) {
      const parsed = parseIstioFederation(object);
      if (!parsed.ok) {
        this.#options.logger.warn({ name: object.metadata?.name, faults: parsed.faults }, 'IstioFederation not usable');
      }
      this.#federations.set(object, parsed.ok ? parsed.value : undefined);
    }
    return this.#federations.get(object);
  }

  /** An unreadable registry trusts nobody new and keeps whom it trusted: the Secret's writer is told by our log. */
  #trustRegistry(): TrustRegistry {
    const secret = this.#informers.trust.get(this.#options.namespace, names.trustSecret);
    if (secret === this.#trusted.secret) return this.#trusted.value;
    try {
      this.#trusted = { secret, value: trustRegistryIn(secret?.data) ?? emptyTrustRegistry };
    } catch (error) {
      this.#options.logger.error({ err: error }, 'trust registry not readable; the last one stays');
      this.#trusted = { secret, value: this.#trusted.value };
    }
    return this.#trusted.value;
  }

  /** Networks that cannot be read are told once; the last ones stay. */
  #meshNetworks(): MeshNetworks {
    const { rootNamespace } = this.#options.cluster;
    const data = this.#multicluster?.meshConfig.get(rootNamespace, names.meshConfigMap)?.data;
    const texts = [data?.['meshNetworks'], data?.[names.clusterGatewaysKey]] as const;
    if (sameItems(texts, this.#networks.texts)) return this.#networks.value;
    try {
      const [networks = '', clusters] = texts;
      this.#networks = { texts, value: MeshNetworks.parse(networks, clusters) };
    } catch (error) {
      const where = `ConfigMap ${rootNamespace}/${names.meshConfigMap}, keys meshNetworks, ${names.clusterGatewaysKey}`;
      this.#options.logger.error({ err: error, where }, 'mesh networks not readable: correct them; the last ones stay');
      this.#networks = { texts, value: this.#networks.value };
    }
    return this.#networks.value;
  }

  #multiclusterInformers(): MulticlusterInformers {
    const namespace = this.#options.cluster.rootNamespace;
    return {
      remoteSecrets: this.#informer<Secret>(resources.secrets, {
        namespace,
        labelSelector: `${labels.multiCluster}=true`,
      }),
      meshConfig: this.#informer<ConfigMap>(resources.configMaps, {
        namespace,
        fieldSelector: `metadata.name=${names.meshConfigMap}`,
      }),
    };
  }

  #informer<T extends KubernetesObject>(
    resource: ResourcePath,
    narrowed: { namespace?: string; fieldSelector?: string; labelSelector?: string } = {},
  ): Informer<T> {
    const { client, logger } = this.#options;
    return new Informer<T>({ client, logger, resource, ...narrowed });
  }
}
