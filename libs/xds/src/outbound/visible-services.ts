import { portMode, workloadModes } from '#istio-api';
import type { MeshModel, MeshService } from '../mesh-model.js';
import { oldestFirst } from '../ordering.js';
import { visibleFrom } from '../selection.js';

/** Services that clients of a namespace see, oldest first, one per host name. */
export function visibleServices(services: readonly MeshService[], namespace: string): readonly MeshService[] {
  return onePerHostname(
    services.filter((service) => visibleFrom(service, namespace)),
    namespace,
  );
}

/** Oldest first; of several with one host name a Kubernetes Service wins, then the client's own namespace, then the older one. */
export function onePerHostname(services: readonly MeshService[], namespace: string): readonly MeshService[] {
  const winners = new Map<string, MeshService>();
  const rank = (service: MeshService): number =>
    (service.registry === 'Kubernetes' ? 0 : 2) + (service.namespace === namespace ? 0 : 1);
  for (const service of oldestFirst(services)) {
    const holder = winners.get(service.hostname);
    if (holder === undefined || rank(service) < rank(holder)) winners.set(service.hostname, service);
  }
  return oldestFirst([...winners.values()]);
}

/** The model's services, where endpoints whose workload has mutual TLS turned off on that port no longer offer it. */
export function servicesWithEffectiveTls(model: MeshModel): readonly MeshService[] {
  const off = model.peerAuthentications.some(
    ({ mode, portModes }) => mode === 'DISABLE' || Object.values(portModes).includes('DISABLE'),
  );
  if (!off) return model.services;
  const modes = new Map(
    model.workloads.flatMap((workload) => {
      const found = workloadModes(model.peerAuthentications, model.cluster.rootNamespace, workload);
      return workload.addresses.map((address) => [address, found] as const);
    }),
  );
  return model.services.map((service) => ({
    ...service,
    endpoints: service.endpoints.map((endpoint) => {
      // Another cluster's pod may have the address of one of ours; its policies are not known here.
      const found = endpoint.cluster === undefined ? modes.get(endpoint.address) : undefined;
      const disabled = found !== undefined && portMode(found, endpoint.port) === 'DISABLE';
      return disabled ? { ...endpoint, tlsMode: 'disabled' as const } : endpoint;
    }),
  }));
}
