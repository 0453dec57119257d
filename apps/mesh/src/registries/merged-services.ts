import { createHash } from 'node:crypto';
import type { Service } from '#istio-api';
import type { MeshEndpoint, MeshService } from '#xds';
import { compareText } from '#model';
import { Memo } from '../index/memo.js';

/** Services of one other cluster, and of them those whose endpoints its silence has cost. */
export interface RemoteServices {
  readonly clusterID: string;
  readonly services: readonly MeshService[];
  readonly withdrawn: ReadonlySet<string>;
}

export interface MergeInput {
  readonly local: readonly MeshService[];
  /** All Services of our own cluster, also those that are no service of the mesh: their names are taken. */
  readonly localObjects: readonly Service[];
  readonly remotes: readonly RemoteServices[];
  /** Namespaces that are each cluster's own affair: the control plane's. */
  readonly ownNamespaces: readonly string[];
  /** True for an endpoint that cannot be called by its address from our network. */
  readonly isBehindGateway: (endpoint: MeshEndpoint) => boolean;
}

interface Found {
  readonly clusterID: string;
  readonly service: MeshService;
  readonly withdrawn: boolean;
}

/**
 * Namespace sameness: a Service of the same name and namespace is the same service in every cluster. Our own cluster says its ports,
 * addresses and everything else but endpoints; a service that we do not have is described by the first cluster, by ID, that has it,
 * and gets an address of its own (see `virtualAddressOf`), never its ClusterIP there: that may be anything here.
 */
export class MergedServices {
  readonly #memo = new Memo<MeshService>();

  merge(input: MergeInput): readonly MeshService[] {
    if (input.remotes.length === 0) return input.local;
    this.#memo.nextRound();
    const found = foundElsewhere(input);
    const merged = input.local.map((service) => {
      const others = found.get(service.hostname);
      found.delete(service.hostname);
      return others === undefined ? service : this.#kept(service, others, () => joined(service, others, input));
    });
    const taken = new Set([...input.local].flatMap(({ addresses }) => addresses));
    const foreign = [...found]
      .sort(([a], [b]) => compareText(a, b))
      .flatMap(([hostname, others]) => {
        const [first] = others;
        if (first === undefined) return [];
        const address = first.service.headless ? '' : virtualAddressOf(hostname, taken);
        return this.#kept(address, others, () => joined(foreignService(first.service, address), others, input));
      });
    return [...merged, ...foreign];
  }

  #kept(own: unknown, others: readonly Found[], build: () => MeshService): MeshService {
    const hostname = others[0]?.service.hostname ?? '';
    const inputs = [own, ...others.flatMap(({ clusterID, service, withdrawn }) => [clusterID, service, withdrawn])];
    return this.#memo.get(hostname, inputs, build);
  }
}

function foundElsewhere({ remotes, localObjects, local, ownNamespaces }: MergeInput): Map<string, Found[]> {
  const ours = new Set(local.map(nameOf));
  const taken = new Set(
    localObjects
      .map(({ metadata }) => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`)
      .filter((name) => !ours.has(name)),
  );
  const isOwn = ownAffair(ownNamespaces);
  const found = new Map<string, Found[]>();
  for (const { clusterID, services, withdrawn } of remotes) {
    for (const service of services) {
      const name = nameOf(service);
      if (isOwn(service) || taken.has(name)) continue;
      const others = found.get(service.hostname) ?? [];
      others.push({ clusterID, service, withdrawn: withdrawn.has(service.hostname) });
      found.set(service.hostname, others);
    }
  }
  return found;
}

/** True for a Service that is each cluster's own affair: the control plane's, in these namespaces, and the API server's. */
export function ownAffair(
  ownNamespaces: Iterable<string>,
): (service: { readonly namespace?: string; readonly name?: string }) => boolean {
  const own = new Set(['kube-system', ...ownNamespaces]);
  return ({ namespace = '', name }) => own.has(namespace) || (namespace === 'default' && name === 'kubernetes');
}

function nameOf({ namespace, name }: Pick<MeshService, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** A service that only other clusters have: nothing here is selected by it, and it is called by an address of ours. */
function foreignService(service: MeshService, address: string): MeshService {
  const { selector: _selector, ...rest } = service;
  return { ...rest, addresses: address === '' ? [] : [address], endpoints: [] };
}

function joined(base: MeshService, others: readonly Found[], { isBehindGateway }: MergeInput): MeshService {
  const ports = new Set(base.ports.map(({ number }) => number));
  // Whoever calls a headless service names a pod's address: one that cannot be reached by it is no help.
  const usable = (endpoint: MeshEndpoint): boolean =>
    ports.has(endpoint.servicePort) && !(base.headless && isBehindGateway(endpoint));
  const foreign = others.flatMap(({ service, withdrawn }) => (withdrawn ? [] : service.endpoints.filter(usable)));
  return {
    ...base,
    throughGateways: !base.headless,
    remoteClusters: others.map(({ clusterID }) => clusterID),
    endpoints: [...base.endpoints, ...foreign],
  };
}

/**
 * Address in 241.0.0.0/8 (reserved by RFC 1112, routed nowhere; Istio and our imports take theirs from 240.240.0.0/16) that a host name
 * hashes to, or the next free one: the same in every replica and after every restart, without anything being written down.
 */
export function virtualAddressOf(hostname: string, taken: Set<string>): string {
  const digest = createHash('sha256').update(hostname).digest();
  for (let slot = digest.readUIntBE(0, 3); ; slot = (slot + 1) % 2 ** 24) {
    const address = `241.${(slot >> 16) & 255}.${(slot >> 8) & 255}.${slot & 255}`;
    if (taken.has(address)) continue;
    taken.add(address);
    return address;
  }
}
