import { parseIstioFederation, type IstioFederation } from '#crd';
import type {
  AuthorizationPolicy,
  DestinationRule,
  EndpointSlice,
  KubernetesObject,
  Namespace,
  PeerAuthentication,
  Pod,
  Secret,
  Service,
  ServiceEntry,
} from '#istio-api';
import { Informer, resources, type KubeClient, type KubeLogger, type ResourcePath } from '#kube';
import { emptyTrustRegistry, names, trustRegistryIn, type Clock, type TrustRegistry } from '#model';
import type { MeshCluster, MeshModel, MeshSettings } from '#xds';
import { HostResolver } from '../gateway/host-resolver.js';
import { Debounce } from './debounce.js';
import { ModelBuilder } from './model-builder.js';
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
  readonly cluster: MeshCluster;
  readonly settings: MeshSettings;
  /** Release namespace, where Secret `isthmus-trust` is. */
  readonly namespace: string;
  readonly publicServiceLabel: string;
  readonly debounce: { readonly quietMs: number; readonly maxMs: number };
  /** Own roots, PEM each; the same array until they change. */
  readonly roots: () => readonly string[];
}

type Listener = (version: ModelVersion) => void;

/** Watches the cluster and turns what it sees into one immutable model after another. */
export class MeshIndex {
  readonly namespaces: Informer<Namespace>;
  readonly #options: MeshIndexOptions;
  readonly #informers;
  readonly #resolver: HostResolver;
  readonly #builder: ModelBuilder;
  readonly #debounce: Debounce;
  readonly #listeners = new Set<Listener>();
  readonly #federations = new WeakMap<object, IstioFederation | undefined>();
  #registry: { readonly secret: Secret | undefined; readonly value: TrustRegistry } = {
    secret: undefined,
    value: emptyTrustRegistry,
  };
  #current: ModelVersion | undefined;

  constructor(options: MeshIndexOptions) {
    this.#options = options;
    const { clock, logger, namespace } = options;
    this.namespaces = this.#informer<Namespace>(resources.namespaces);
    this.#informers = {
      services: this.#informer<Service>(resources.services),
      endpointSlices: this.#informer<EndpointSlice>(resources.endpointSlices),
      pods: this.#informer<Pod>(resources.pods, { transform: slimPod }),
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
    this.#builder = new ModelBuilder(options);
    this.#debounce = new Debounce((changedAt) => this.#rebuild(changedAt), { ...options.debounce, clock });
    this.#resolver = new HostResolver({
      clock,
      onChange: () => this.changed(),
      onFailure: (host, error) => logger.warn({ err: error, host }, 'name of a gateway does not resolve; tried again'),
    });
  }

  /** The newest model; undefined until every collection has been read once. */
  get current(): ModelVersion | undefined {
    return this.#current;
  }

  /** How many objects of each collection are known, for the debug pages. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      Object.entries({ ...this.#informers, namespaces: this.namespaces }).map(([name, informer]) => [
        name,
        informer.stats.objects,
      ]),
    );
  }

  onModel(listener: Listener): void {
    this.#listeners.add(listener);
  }

  /** Something outside the watched collections changed, for instance our roots. */
  changed(): void {
    if (this.#current !== undefined) this.#debounce.trigger();
  }

  /** Starts to watch; settles with the first model. */
  async start(signal: AbortSignal): Promise<void> {
    const all = [this.namespaces, ...Object.values(this.#informers)];
    for (const informer of all) informer.start(signal);
    this.#resolver.start(signal);
    signal.addEventListener('abort', () => this.#debounce.stop(), { once: true });
    await Promise.all(all.map((informer) => informer.synced));
    for (const informer of Object.values(this.#informers)) informer.onChange(() => this.#debounce.trigger());
    this.#rebuild(this.#options.clock.now());
  }

  #rebuild(changedAt: number): void {
    const { logger, clock } = this.#options;
    try {
      const model = this.#build();
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
    const serviceEntries = informers.serviceEntries.list();
    this.#resolver.want(serviceEntries.flatMap(gatewayHostsOf));
    return this.#builder.build({
      services: informers.services.list(),
      endpointSlices: informers.endpointSlices.list(),
      pods: informers.pods.list(),
      serviceEntries,
      destinationRules: informers.destinationRules.list(),
      peerAuthentications: informers.peerAuthentications.list(),
      authorizationPolicies: informers.authorizationPolicies.list(),
      federations: informers.federations.list().flatMap((object) => this.#federation(object) ?? []),
      registry: this.#trustRegistry(),
      roots: this.#options.roots(),
      resolved: this.#resolver.resolved,
    });
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
    if (secret === this.#registry.secret) return this.#registry.value;
    try {
      this.#registry = { secret, value: trustRegistryIn(secret?.data) ?? emptyTrustRegistry };
    } catch (error) {
      this.#options.logger.error({ err: error }, 'trust registry not readable; the last one stays');
      this.#registry = { secret, value: this.#registry.value };
    }
    return this.#registry.value;
  }

  #informer<T extends KubernetesObject>(
    resource: ResourcePath,
    narrowed: { namespace?: string; fieldSelector?: string; transform?: (object: T) => T } = {},
  ): Informer<T> {
    const { client, logger } = this.#options;
    return new Informer<T>({ client, logger, resource, ...narrowed });
  }
}

/** Pods are the bulk of a cluster: only what models need of them is kept. */
function slimPod(pod: Pod): Pod {
  const { apiVersion, kind, metadata, spec, status } = pod;
  const portsOnly = (containers: NonNullable<Pod['spec']>['containers'] | undefined) =>
    (containers ?? []).flatMap(({ name, ports }) => (ports === undefined ? [] : [{ name, ports }]));
  const kept = { ...metadata };
  delete kept.annotations;
  delete kept.ownerReferences;
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: kept,
    spec: {
      ...(spec?.serviceAccountName === undefined ? {} : { serviceAccountName: spec.serviceAccountName }),
      ...(spec?.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      ...(spec?.hostNetwork === undefined ? {} : { hostNetwork: spec.hostNetwork }),
      containers: portsOnly(spec?.containers),
      initContainers: portsOnly(spec?.initContainers),
    },
    ...(status === undefined ? {} : { status: slimStatus(status) }),
  };
}

function slimStatus({ phase, podIP, podIPs, conditions }: NonNullable<Pod['status']>): NonNullable<Pod['status']> {
  return {
    ...(phase === undefined ? {} : { phase }),
    ...(podIP === undefined ? {} : { podIP }),
    ...(podIPs === undefined ? {} : { podIPs }),
    conditions: (conditions ?? []).filter(({ type }) => type === 'Ready').map(({ type, status }) => ({ type, status })),
  };
}
