import { networkingApiVersion } from '#istio-api';
import type { DestinationRule } from '#istio-api';
import type { MergedService } from './merge-services.js';
import type { MeshFacts } from './mesh-facts.js';
import { importMetadata } from './service-entry.js';

/** Mutual TLS towards an imported service, from the caller's sidecar to the service's own. */
export function destinationRuleFor(mesh: MeshFacts, service: MergedService): DestinationRule {
  return {
    apiVersion: networkingApiVersion,
    kind: 'DestinationRule',
    metadata: importMetadata(mesh, service),
    spec: { host: service.hostname, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } }, exportTo: service.exportTo },
  };
}
