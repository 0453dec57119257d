import type { Endpoint, EndpointSlice, Pod } from '#istio-api';
import type { MeshService } from '#xds';
import { Memo, sameItems } from '../index/memo.js';
import { meshServiceFrom, serviceNameLabel } from '../index/services.js';
import type { RegistryObjects } from './cluster-informers.js';
import type { Registry } from './registry.js';

type Named = { readonly metadata?: { readonly name?: string; readonly namespace?: string } };
type Objects = Pick<RegistryObjects, 'services' | 'endpointSlices' | 'pods'>;

/** Services of one cluster's registry with their endpoints; the very same list while nothing changes, the same items where they do not. */
export class RegistryServices {
  readonly #memo = new Memo<MeshService | undefined>();
  #last: { readonly inputs: readonly unknown[]; readonly services: readonly MeshService[] } | undefined;

  build(objects: Objects, registry: Registry): readonly MeshService[] {
    const inputs = [objects.services, objects.endpointSlices, objects.pods, ...registry.inputs];
    if (this.#last !== undefined && sameItems(this.#last.inputs, inputs)) return this.#last.services;
    const services = this.#build(objects, registry);
    const before = this.#last?.services;
    const kept = before !== undefined && sameItems(before, services) ? before : services;
    this.#last = { inputs, services: kept };
    return kept;
  }

  #build({ services, endpointSlices, pods }: Objects, registry: Registry): readonly MeshService[] {
    this.#memo.nextRound();
    const slicesOf = Map.groupBy(endpointSlices, sliceOwner);
    const byName = new Map(pods.map((pod) => [keyOf(pod), pod]));
    const podOf = (namespace: string | undefined) => (endpoint: Endpoint) =>
      endpoint.targetRef?.kind === 'Pod'
        ? byName.get(`${endpoint.targetRef.namespace ?? namespace ?? ''}/${endpoint.targetRef.name ?? ''}`)
        : undefined;
    return services.flatMap((service) => {
      const slices = slicesOf.get(keyOf(service)) ?? [];
      const find = podOf(service.metadata?.namespace);
      const behind: readonly (Pod | undefined)[] = slices.flatMap((slice) => (slice.endpoints ?? []).map(find));
      const inputs = [service, ...slices, ...behind, ...registry.inputs];
      const build = (): MeshService | undefined => meshServiceFrom({ service, slices, podOf: find, registry });
      return this.#memo.get(keyOf(service), inputs, build) ?? [];
    });
  }
}

/** How many endpoints of these slices are those of services that are not withdrawn. */
export function standingEndpoints(
  slices: readonly EndpointSlice[],
  withdrawn: ReadonlySet<string>,
  clusterDomain: string,
): number {
  return slices.reduce((sum, slice) => {
    const [namespace, name] = sliceOwner(slice).split('/');
    return withdrawn.has(`${name}.${namespace}.svc.${clusterDomain}`) ? sum : sum + (slice.endpoints ?? []).length;
  }, 0);
}

function sliceOwner({ metadata }: EndpointSlice): string {
  return `${metadata?.namespace ?? ''}/${metadata?.labels?.[serviceNameLabel] ?? ''}`;
}

function keyOf({ metadata }: Named): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}
