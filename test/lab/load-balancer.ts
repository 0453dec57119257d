import { setTimeout as pause } from 'node:timers/promises';
import type { ApiObject, LabApi } from './api.js';
import { network } from './plan.js';
import type { ClusterPlan } from './plan.js';

/** On a Service: the address it wants, out of its cluster's range. */
export const addressAnnotation = 'lab.isthmus.dev/address';

interface Service extends ApiObject {
  readonly spec: { readonly type?: string };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

const firstAutomatic = network.firstLoadBalancer + 10;
const pauseAfterFaultMs = 300;

/**
 * Stands in for a cloud's load balancer: gives every Service of type LoadBalancer an address of its cluster's range. The range
 * is local to the cluster's namespace, so that kube-proxy does the rest. Runs until the signal ends it; survives its API server.
 */
export async function runLoadBalancer(cluster: ClusterPlan, api: LabApi, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await followServices(cluster, api, signal);
    } catch {
      await pause(pauseAfterFaultMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function followServices(cluster: ClusterPlan, api: LabApi, signal: AbortSignal): Promise<void> {
  const services = new Map<string, Service>();
  const { items, resourceVersion } = await api.list<Service>('/api/v1/services');
  for (const service of items) services.set(keyOf(service), service);
  await serveAll(cluster, api, services);
  const watch = `/api/v1/services?watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=300`;
  for await (const { type, object } of api.watch<Service>(watch, signal)) {
    if (type === 'ERROR') return;
    if (type === 'DELETED') services.delete(keyOf(object));
    else services.set(keyOf(object), object);
    await serveAll(cluster, api, services);
  }
}

async function serveAll(cluster: ClusterPlan, api: LabApi, services: ReadonlyMap<string, Service>): Promise<void> {
  for (const { service, address } of wantedAddresses(cluster, [...services.values()])) {
    const path = `/api/v1/namespaces/${service.metadata.namespace}/services/${service.metadata.name}/status`;
    await api.patch(path, { status: { loadBalancer: address === undefined ? {} : { ingress: [{ ip: address }] } } });
  }
}

/** Changes to make: a Service that keeps its address is not in the answer. Pure. */
export function wantedAddresses(
  cluster: Pick<ClusterPlan, 'range'>,
  services: readonly Service[],
): readonly { readonly service: Service; readonly address: string | undefined }[] {
  const balanced = services.filter((service) => service.spec.type === 'LoadBalancer');
  const given = new Set(
    balanced.map((service) => service.metadata.annotations?.[addressAnnotation] ?? addressOf(service)),
  );
  const wanted = balanced.map((service) => ({ service, address: nextAddress(cluster, service, given) }));
  const released = services.filter(
    (service) => service.spec.type !== 'LoadBalancer' && addressOf(service) !== undefined,
  );
  return [
    ...wanted.filter(({ service, address }) => address !== addressOf(service)),
    ...released.map((service) => ({ service, address: undefined })),
  ];
}

function nextAddress(
  cluster: Pick<ClusterPlan, 'range'>,
  service: Service,
  given: Set<string | undefined>,
): string | undefined {
  const fixed = service.metadata.annotations?.[addressAnnotation] ?? addressOf(service);
  if (fixed !== undefined) return fixed;
  for (let last = firstAutomatic; last <= network.lastLoadBalancer; last += 1) {
    const address = `${cluster.range}.${last}`;
    if (given.has(address)) continue;
    given.add(address);
    return address;
  }
  return undefined;
}

function addressOf(service: Service): string | undefined {
  return service.status?.loadBalancer?.ingress?.[0]?.ip;
}

function keyOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}
