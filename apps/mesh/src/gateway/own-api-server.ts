import type { EndpointSlice, Service } from '#istio-api';

/** Where the Kubernetes API shows its own addresses. */
const namespace = 'default';
const name = 'kubernetes';

interface Known {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
}

/** IP addresses of this cluster's own API server: as we call it, its Service, and what is behind that. No peer may lead proxies there. */
export function ownApiServer(server: string, { services, endpointSlices }: Known): readonly string[] {
  const isItsOwn = ({ metadata }: Pick<Service, 'metadata'>): boolean =>
    metadata?.namespace === namespace && metadata.name === name;
  const service = services.find(isItsOwn)?.spec;
  return [
    new URL(server).hostname.replace(/^\[|\]$/g, ''),
    ...(service?.clusterIPs ?? [service?.clusterIP ?? []].flat()),
    ...endpointSlices
      .filter(isItsOwn)
      .flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)),
  ];
}
