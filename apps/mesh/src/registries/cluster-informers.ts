import type { EndpointSlice, KubernetesObject, Namespace, Node, Pod, Service } from '#istio-api';
import {
  ForbiddenError,
  Informer,
  resources,
  type InformerObserver,
  type KubeClient,
  type KubeLogger,
  type ResourcePath,
} from '#kube';
import { localityOfNode, networkLabel } from '../index/workloads.js';
import { slimPod } from './slim-pod.js';

/** What is read of one cluster's registry, as it stands at one moment. The same object until something changes. */
export interface RegistryObjects {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
  /** `region/zone/subzone` by node. */
  readonly localities: ReadonlyMap<string, string>;
  /** Network by namespace, where a label says it. */
  readonly networks: ReadonlyMap<string, string>;
}

export interface ClusterInformersOptions {
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  /** False where nodes may not be read: then pods' own labels say where they are. */
  readonly nodes: boolean;
  /** A cluster behind proxies: a 404 never means that its objects are gone. */
  readonly remote?: boolean;
  readonly observer?: (resource: string) => InformerObserver;
}

/** The informers of one cluster's registry; the same for our own cluster and for others. */
export class ClusterInformers {
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly pods: Informer<Pod>;
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<Node> | undefined;
  readonly #options: ClusterInformersOptions;
  readonly #forbidden = new Map<string, () => void>();
  readonly #mayBeForbidden: Promise<void>[] = [];
  #localities: ReadonlyMap<string, string> | undefined;
  #networks: ReadonlyMap<string, string> | undefined;
  #objects: RegistryObjects | undefined;

  constructor(options: ClusterInformersOptions) {
    this.#options = options;
    this.services = this.#informer<Service>(resources.services);
    this.endpointSlices = this.#informer<EndpointSlice>(resources.endpointSlices);
    this.pods = this.#informer<Pod>(resources.pods, slimPod);
    this.namespaces = this.#informer<Namespace>(resources.namespaces, metadataOnly);
    this.nodes = options.nodes ? this.#informer<Node>(resources.nodes, metadataOnly) : undefined;
    this.nodes?.onChange(() => (this.#localities = undefined));
    this.namespaces.onChange(() => (this.#networks = undefined));
  }

  start(signal: AbortSignal): void {
    for (const informer of this.all) informer.start(signal);
  }

  get all(): readonly Informer<KubernetesObject>[] {
    const { services, endpointSlices, pods, namespaces, nodes } = this;
    return [services, endpointSlices, pods, namespaces, ...(nodes === undefined ? [] : [nodes])];
  }

  /** Settles when everything has been read once; nodes that may not be read are done without. */
  async synced(): Promise<void> {
    const { services, endpointSlices, pods, namespaces, nodes } = this;
    const needed = [services, endpointSlices, pods, namespaces].map((informer) => informer.synced);
    const nodesKnown = nodes === undefined ? [] : [Promise.race([nodes.synced, ...this.#mayBeForbidden])];
    await Promise.all([...needed, ...nodesKnown]);
  }

  /** True while what endpoints are made of is being read anew. */
  get relisting(): boolean {
    return [this.services, this.endpointSlices, this.pods].some(({ relisting }) => relisting);
  }

  get objects(): RegistryObjects {
    const last = this.#objects;
    const next: RegistryObjects = {
      services: this.services.list(),
      endpointSlices: this.endpointSlices.list(),
      pods: this.pods.list(),
      localities: (this.#localities ??= kept(last?.localities, localitiesOf(this.nodes?.list() ?? []))),
      networks: (this.#networks ??= kept(last?.networks, networksOf(this.namespaces.list()))),
    };
    if (last === undefined || !sameObjects(last, next)) this.#objects = next;
    return this.#objects ?? next;
  }

  /** Calls back after each change that matters here: a node's heartbeat does not. */
  onChange(listener: () => void): void {
    for (const informer of [this.services, this.endpointSlices, this.pods]) informer.onChange(listener);
    this.nodes?.onChange((_key, current, previous) => {
      if (localityOfNode(current) !== localityOfNode(previous)) listener();
    });
    this.namespaces.onChange((_key, current, previous) => {
      if (networkOfNamespace(current) !== networkOfNamespace(previous)) listener();
    });
  }

  #informer<T extends KubernetesObject>(resource: ResourcePath, transform?: (object: T) => T): Informer<T> {
    const { client, logger, remote = false, observer } = this.#options;
    const told = observer?.(resource.plural);
    const isNodes = resource === resources.nodes;
    if (isNodes) {
      this.#mayBeForbidden.push(new Promise((resolve) => this.#forbidden.set(resource.plural, resolve)));
    }
    return new Informer<T>({
      client,
      logger,
      resource,
      mayBeAbsent: !remote,
      ...(transform === undefined ? {} : { transform }),
      observer: {
        heard: () => told?.heard(),
        opened: () => told?.opened(),
        listed: () => told?.listed(),
        failed: (error) => {
          if (error instanceof ForbiddenError) this.#forbidden.get(resource.plural)?.();
          told?.failed(error);
        },
      },
    });
  }
}

function sameObjects(a: RegistryObjects, b: RegistryObjects): boolean {
  return (
    a.services === b.services &&
    a.endpointSlices === b.endpointSlices &&
    a.pods === b.pods &&
    a.localities === b.localities &&
    a.networks === b.networks
  );
}

function kept(
  before: ReadonlyMap<string, string> | undefined,
  now: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const same = before?.size === now.size && [...now].every(([key, value]) => before.get(key) === value);
  return same && before !== undefined ? before : now;
}

function localitiesOf(nodes: readonly Node[]): ReadonlyMap<string, string> {
  return new Map(nodes.map((node) => [node.metadata?.name ?? '', localityOfNode(node)]));
}

function networksOf(namespaces: readonly Namespace[]): ReadonlyMap<string, string> {
  return new Map(
    namespaces.flatMap((namespace) => {
      const network = networkOfNamespace(namespace);
      return network === undefined ? [] : [[namespace.metadata?.name ?? '', network] as const];
    }),
  );
}

function networkOfNamespace(namespace: Namespace | undefined): string | undefined {
  return namespace?.metadata?.labels?.[networkLabel];
}

/** Of nodes and namespaces only names and labels count here; a node's status is most of its size. */
function metadataOnly<T extends KubernetesObject>({ apiVersion, kind, metadata }: T): T {
  return { apiVersion, kind, metadata } as T;
}
