import type { IstioFederation } from '#crd';
import { labelsMatch, modePolicyFrom, podAddresses } from '#istio-api';
import type {
  AuthorizationPolicy,
  DestinationRule,
  EndpointSlice,
  PeerAuthentication,
  Pod,
  Service,
  ServiceEntry,
} from '#istio-api';
import type { TrustRegistry } from '#model';
import { podsOfManyAccounts } from '#planner';
import { wayTo, type MeshCluster, type MeshModel, type MeshService, type MeshSettings } from '#xds';
import { MergedServices } from '../registries/merged-services.js';
import type { FindService, MeshNetworks } from '../registries/mesh-networks.js';
import { Registry } from '../registries/registry.js';
import { RegistryServices } from '../registries/registry-services.js';
import type { RemoteView } from '../registries/remote-clusters.js';
import { destinationRuleFrom, failoverLabelsOf } from './destination-rules.js';
import { Memo, sameItems } from './memo.js';
import { authorizationPolicyFrom } from './policies.js';
import { gatewayHostsOf, meshServicesFrom } from './service-entries.js';
import { sharingFrom, type Sharing } from './sharing.js';
import { isLive, workloadFrom } from './workloads.js';

/** Everything that a model is made of, as the informers show it at one moment. */
export interface ClusterFacts {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
  /** `region/zone/subzone` by node, and network by namespace, of our own cluster. */
  readonly localities: ReadonlyMap<string, string>;
  readonly networks: ReadonlyMap<string, string>;
  /** Other clusters that have been read. */
  readonly remotes: readonly RemoteView[];
  readonly meshNetworks: MeshNetworks;
  readonly serviceEntries: readonly ServiceEntry[];
  readonly destinationRules: readonly DestinationRule[];
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly federations: readonly IstioFederation[];
  readonly registry: TrustRegistry;
  /** Own roots, PEM each. */
  readonly roots: readonly string[];
  /** Own revocation lists, PEM. */
  readonly crls: readonly string[];
  /** Addresses behind the host names of peers' gateways. */
  readonly resolved: ReadonlyMap<string, readonly string[]>;
}

export interface ModelBuilderOptions {
  readonly cluster: MeshCluster;
  readonly settings: MeshSettings;
  readonly publicServiceLabel: string;
  /** Namespaces whose Services are each cluster's own, besides the root namespace. */
  readonly ownNamespaces?: readonly string[];
}

type Named = { readonly metadata?: { readonly name?: string; readonly namespace?: string } };

/** Turns facts into models. Objects that did not change keep their identity from model to model. */
export class ModelBuilder {
  readonly #options: ModelBuilderOptions;
  readonly #objects = new Memo<unknown>();
  readonly #local = new RegistryServices();
  readonly #remote = new Map<string, RegistryServices>();
  readonly #merged = new MergedServices();
  #last: MeshModel | undefined;

  constructor(options: ModelBuilderOptions) {
    this.#options = options;
  }

  /** The model of these facts; the very last one when nothing that it is made of has changed. */
  build(facts: ClusterFacts): MeshModel {
    const next = this.#build(facts);
    this.#last = this.#last !== undefined && sameModel(this.#last, next) ? this.#last : next;
    return this.#last;
  }

  #build(facts: ClusterFacts): MeshModel {
    const { cluster, settings } = this.#options;
    this.#objects.nextRound();
    const sharing = this.#sharing(facts);
    const destinationRules = present(
      facts.destinationRules.map((rule) => this.#kept('rule', rule, () => destinationRuleFrom(rule, cluster))),
    );
    const failoverLabels = failoverLabelsOf(destinationRules);
    const own = this.#ownRegistry(facts, failoverLabels);
    return {
      cluster,
      settings,
      workloads: facts.pods.filter(isLive).map((pod) => this.#workload(pod, own)),
      services: [...this.#services(facts, own, failoverLabels), ...this.#entries(facts, own)],
      destinationRules,
      peerAuthentications: facts.peerAuthentications.map((each) =>
        this.#kept('peer-authentication', each, () => modePolicyFrom(each)),
      ),
      authorizationPolicies: present(
        facts.authorizationPolicies.map((each) => this.#kept('policy', each, () => authorizationPolicyFrom(each))),
      ),
      ...sharing,
      ...this.#gateways(facts),
    };
  }

  #ownRegistry(facts: ClusterFacts, failoverLabels: readonly string[]): Registry {
    const { meshNetworks } = facts;
    return new Registry({ ...this.#options.cluster, remote: false, objects: facts, meshNetworks, failoverLabels });
  }

  #workload(pod: Pod, own: Registry): MeshModel['workloads'][number] {
    const inputs = [pod, own.localityOf(pod), own.networkOf(pod, podAddresses(pod)[0] ?? '')];
    return this.#keptBy(`pod/${keyOf(pod)}`, inputs, () => workloadFrom(pod, own));
  }

  #services(facts: ClusterFacts, own: Registry, failoverLabels: readonly string[]): readonly MeshService[] {
    const { cluster, ownNamespaces = [] } = this.#options;
    const { meshNetworks, remotes } = facts;
    const { clusterDomain, rootNamespace } = cluster;
    for (const id of this.#remote.keys()) {
      if (!remotes.some(({ clusterID }) => clusterID === id)) this.#remote.delete(id);
    }
    const way = wayTo({ network: cluster.network, ...this.#gateways(facts) });
    return this.#merged.merge({
      local: this.#local.build(facts, own),
      localObjects: facts.services,
      remotes: remotes.map(({ clusterID, trustDomain = cluster.trustDomain, objects, withdrawn }) => {
        const known = this.#remote.get(clusterID) ?? new RegistryServices();
        this.#remote.set(clusterID, known);
        const place = { clusterID, trustDomain, clusterDomain, rootNamespace, network: '', objects, meshNetworks };
        const services = known.build(objects, new Registry({ ...place, remote: true, failoverLabels }));
        return { clusterID, services, withdrawn: withdrawn(services.map(({ hostname }) => hostname)) };
      }),
      ownNamespaces: [rootNamespace, ...ownNamespaces],
      isBehindGateway: (endpoint) => way(endpoint) !== 'direct',
    });
  }

  #gateways(facts: ClusterFacts): Pick<MeshModel, 'networkGateways' | 'clusterGateways'> {
    const { meshNetworks, resolved } = facts;
    const find = serviceFinder(facts, this.#options.cluster.clusterID);
    const gateways = {
      networkGateways: meshNetworks.gateways(find, resolved),
      clusterGateways: meshNetworks.clusterGateways(resolved),
    };
    return this.#keptBy('gateways', [meshNetworks, JSON.stringify(gateways)], () => gateways);
  }

  #entries({ serviceEntries, pods, resolved }: ClusterFacts, own: Registry): readonly MeshService[] {
    const { cluster } = this.#options;
    return serviceEntries.flatMap((entry) => {
      const selector = entry.spec?.workloadSelector?.labels;
      const selected = selector === undefined ? [] : selectedPods(pods, entry.metadata?.namespace, selector);
      const addresses = gatewayHostsOf(entry).map((host) => resolved.get(host));
      const inputs = [entry, ...selected, ...addresses, ...(selected.length === 0 ? [] : own.inputs)];
      return this.#keptBy(`entry/${keyOf(entry)}`, inputs, () =>
        meshServicesFrom({ entry, pods: selected, resolve: (host) => resolved.get(host), cluster, registry: own }),
      );
    });
  }

  #sharing({ services, federations, registry, roots, crls, pods }: ClusterFacts): Sharing {
    const { cluster, publicServiceLabel: label } = this.#options;
    const crowd = podsOfManyAccounts(pods);
    return this.#keptBy('sharing', [registry, roots, crls, ...federations, ...services, ...crowd], () =>
      sharingFrom({ cluster, label, services, crowd, federations, registry, roots, crls }),
    );
  }

  #kept<T>(kind: string, object: Named, build: () => T): T {
    return this.#keptBy(`${kind}/${keyOf(object)}`, [object], build);
  }

  #keptBy<T>(key: string, inputs: readonly unknown[], build: () => T): T {
    // One memo for all kinds: a key begins with its kind, and a kind has one type of value.
    return this.#objects.get(key, inputs, build) as T;
  }
}

function sameModel(a: MeshModel, b: MeshModel): boolean {
  const parts = ({ workloads, services, destinationRules, peerAuthentications, authorizationPolicies }: MeshModel) => [
    workloads,
    services,
    destinationRules,
    peerAuthentications,
    authorizationPolicies,
  ];
  const others = parts(b);
  return (
    a.trust === b.trust &&
    a.grants === b.grants &&
    a.gatewayExports === b.gatewayExports &&
    a.networkGateways === b.networkGateways &&
    a.clusterGateways === b.clusterGateways &&
    parts(a).every((list, index) => sameItems(list, others[index] ?? []))
  );
}

/** Services by cluster, ours and others'. */
export function serviceFinder(facts: Pick<ClusterFacts, 'services' | 'remotes'>, ownClusterID: string): FindService {
  return (clusterID, namespace, name) => {
    const remote = facts.remotes.find((each) => each.clusterID === clusterID)?.objects.services;
    const services = clusterID === ownClusterID ? facts.services : (remote ?? []);
    return services.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name);
  };
}

function keyOf({ metadata }: Named): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

function selectedPods(
  pods: readonly Pod[],
  namespace: string | undefined,
  selector: Readonly<Record<string, string>>,
): readonly Pod[] {
  return pods.filter(
    (pod) => pod.metadata?.namespace === namespace && isLive(pod) && labelsMatch(selector, pod.metadata?.labels),
  );
}

function present<T>(items: readonly (T | undefined)[]): readonly T[] {
  return items.filter((item): item is T => item !== undefined);
}
