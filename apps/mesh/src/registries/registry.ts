import type { Pod } from '#istio-api';
import { localityOfPod, networkLabel } from '../index/workloads.js';
import type { MeshNetworks } from './mesh-networks.js';
import type { RegistryObjects } from './cluster-informers.js';

export interface RegistryFacts {
  readonly clusterID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly rootNamespace: string;
  /** True for another cluster's. */
  readonly remote: boolean;
  /** Network of all its pods as this cluster is configured; empty = not said. */
  readonly network: string;
  readonly objects: Pick<RegistryObjects, 'localities' | 'networks'>;
  readonly meshNetworks: MeshNetworks;
  /** Labels of pods that endpoints must show, since some failoverPriority names them. */
  readonly failoverLabels: readonly string[];
}

/** What the objects of one cluster mean: whose identities they have and where they are. */
export class Registry {
  readonly #facts: RegistryFacts;

  constructor(facts: RegistryFacts) {
    this.#facts = facts;
  }

  get clusterID(): string {
    return this.#facts.clusterID;
  }

  get trustDomain(): string {
    return this.#facts.trustDomain;
  }

  get clusterDomain(): string {
    return this.#facts.clusterDomain;
  }

  get remote(): boolean {
    return this.#facts.remote;
  }

  /** Everything that answers here depend on besides the pod; the same objects, the same answers. */
  get inputs(): readonly unknown[] {
    const { clusterID, trustDomain, network, objects, meshNetworks, failoverLabels } = this.#facts;
    return [clusterID, trustDomain, network, objects.localities, objects.networks, meshNetworks, failoverLabels.join()];
  }

  /** `region/zone/subzone`: what the pod says itself, else its node; empty when neither does. */
  localityOf(pod: Pod | undefined, nodeName = pod?.spec?.nodeName): string {
    const ofNode = this.#facts.objects.localities.get(nodeName ?? '') ?? '';
    const ofPod = localityOfPod(pod);
    // A node may know the subzone too, which is not copied to pods.
    return ofPod === undefined || ofNode.startsWith(`${ofPod}/`) ? ofNode : ofPod;
  }

  /**
   * Label of the pod, else of its namespace, else what the cluster is configured with, else the root namespace's label (Istio's place for
   * it), else `meshNetworks`; empty = reachable from everywhere.
   */
  networkOf(pod: Pod | undefined, address: string): string {
    const { objects, network, rootNamespace, meshNetworks, clusterID } = this.#facts;
    return (
      pod?.metadata?.labels?.[networkLabel] ??
      objects.networks.get(pod?.metadata?.namespace ?? '') ??
      (network === '' ? undefined : network) ??
      objects.networks.get(rootNamespace) ??
      meshNetworks.networkOf(clusterID, address) ??
      ''
    );
  }

  failoverLabelsOf(pod: Pod): { readonly labels?: Readonly<Record<string, string>> } {
    const labels = pod.metadata?.labels ?? {};
    const named = this.#facts.failoverLabels.flatMap((name) => {
      const value = labels[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return named.length === 0 ? {} : { labels: Object.fromEntries(named) };
  }
}
