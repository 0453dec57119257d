import type { IstioFederation } from '#crd';
import { labelsMatch } from '#istio-api';
import type {
  AuthorizationPolicy,
  DestinationRule,
  Endpoint,
  EndpointSlice,
  PeerAuthentication,
  Pod,
  Service,
  ServiceEntry,
} from '#istio-api';
import type { TrustRegistry } from '#model';
import type { MeshCluster, MeshModel, MeshService, MeshSettings } from '#xds';
import { destinationRuleFrom } from './destination-rules.js';
import { Memo, sameItems } from './memo.js';
import { authorizationPolicyFrom, peerAuthenticationFrom } from './policies.js';
import { gatewayHostsOf, meshServicesFrom } from './service-entries.js';
import { meshServiceFrom, serviceNameLabel } from './services.js';
import { sharingFrom, type Sharing } from './sharing.js';
import { isLive, workloadFrom } from './workloads.js';

/** Everything that a model is made of, as the informers show it at one moment. */
export interface ClusterFacts {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
  readonly serviceEntries: readonly ServiceEntry[];
  readonly destinationRules: readonly DestinationRule[];
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly federations: readonly IstioFederation[];
  readonly registry: TrustRegistry;
  /** Own roots, PEM each. */
  readonly roots: readonly string[];
  /** Addresses behind the host names of peers' gateways. */
  readonly resolved: ReadonlyMap<string, readonly string[]>;
}

export interface ModelBuilderOptions {
  readonly cluster: MeshCluster;
  readonly settings: MeshSettings;
  readonly publicServiceLabel: string;
}

type Named = { readonly metadata?: { readonly name?: string; readonly namespace?: string } };

/** Turns facts into models. Objects that did not change keep their identity from model to model. */
export class ModelBuilder {
  readonly #options: ModelBuilderOptions;
  readonly #objects = new Memo<unknown>();
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
    return {
      cluster,
      settings,
      workloads: facts.pods.filter(isLive).map((pod) => this.#kept('pod', pod, () => workloadFrom(pod, cluster))),
      services: [...this.#services(facts), ...this.#entries(facts)],
      destinationRules: present(
        facts.destinationRules.map((rule) => this.#kept('rule', rule, () => destinationRuleFrom(rule, cluster))),
      ),
      peerAuthentications: facts.peerAuthentications.map((each) =>
        this.#kept('peer-authentication', each, () => peerAuthenticationFrom(each)),
      ),
      authorizationPolicies: present(
        facts.authorizationPolicies.map((each) => this.#kept('policy', each, () => authorizationPolicyFrom(each))),
      ),
      ...sharing,
      networkGateways: [],
    };
  }

  #services({ services, endpointSlices, pods }: ClusterFacts): readonly MeshService[] {
    const { cluster } = this.#options;
    const slicesOf = Map.groupBy(endpointSlices, sliceOwner);
    const byName = new Map(pods.map((pod) => [keyOf(pod), pod]));
    const podOf = (namespace: string | undefined) => (endpoint: Endpoint) =>
      endpoint.targetRef?.kind === 'Pod'
        ? byName.get(`${endpoint.targetRef.namespace ?? namespace ?? ''}/${endpoint.targetRef.name ?? ''}`)
        : undefined;
    return present(
      services.map((service) => {
        const slices = slicesOf.get(keyOf(service)) ?? [];
        const find = podOf(service.metadata?.namespace);
        const behind = slices.flatMap((slice) => (slice.endpoints ?? []).map(find));
        return this.#keptBy(`service/${keyOf(service)}`, [service, ...slices, ...behind], () =>
          meshServiceFrom({ service, slices, podOf: find, cluster }),
        );
      }),
    );
  }

  #entries({ serviceEntries, pods, resolved }: ClusterFacts): readonly MeshService[] {
    const { cluster } = this.#options;
    return serviceEntries.flatMap((entry) => {
      const selector = entry.spec?.workloadSelector?.labels;
      const selected = selector === undefined ? [] : selectedPods(pods, entry.metadata?.namespace, selector);
      const addresses = gatewayHostsOf(entry).map((host) => resolved.get(host));
      return this.#keptBy(`entry/${keyOf(entry)}`, [entry, ...selected, ...addresses], () =>
        meshServicesFrom({ entry, pods: selected, resolve: (host) => resolved.get(host), cluster }),
      );
    });
  }

  #sharing({ services, federations, registry, roots }: ClusterFacts): Sharing {
    const { cluster, publicServiceLabel: label } = this.#options;
    return this.#keptBy('sharing', [registry, roots, ...federations, ...services], () =>
      sharingFrom({ cluster, label, services, federations, registry, roots }),
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
    parts(a).every((list, index) => sameItems(list, others[index] ?? []))
  );
}

function sliceOwner({ metadata }: EndpointSlice): string {
  return `${metadata?.namespace ?? ''}/${metadata?.labels?.[serviceNameLabel] ?? ''}`;
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
