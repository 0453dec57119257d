import { networkingApiVersion } from '#istio-api';
import type { Gateway } from '#istio-api';
import { sortedUnique } from '#model';
import type { PublicService } from '#model';
import { producedLabels } from './mesh-facts.js';
import type { MeshFacts } from './mesh-facts.js';

/** Port on which east-west gateways listen inside their pods. */
export const gatewayPort = 15_443;

/** Object name of the one Gateway we write. */
export const gatewayName = 'isthmus-exports';

/**
 * What the east-west gateway lets through: the union of all exports, by exact name. It authenticates nobody
 * (TLS passes), so who may call is decided by the service's sidecar. Undefined when nothing is exported: then none may exist.
 * A multicluster peer shares `everything`: the whole cluster domain.
 */
export function gatewayFor(
  mesh: MeshFacts,
  exported: readonly PublicService[],
  everything = false,
): Gateway | undefined {
  const whole = everything ? [`*.${mesh.clusterDomain}`] : [];
  const hosts = sortedUnique([...exported.map(({ hostname }) => hostname), ...whole]);
  if (hosts.length === 0) return undefined;
  return {
    apiVersion: networkingApiVersion,
    kind: 'Gateway',
    metadata: { name: gatewayName, namespace: mesh.releaseNamespace, labels: producedLabels },
    spec: {
      selector: { istio: 'eastwestgateway' },
      servers: [
        { port: { number: gatewayPort, name: 'tls', protocol: 'TLS' }, hosts, tls: { mode: 'AUTO_PASSTHROUGH' } },
      ],
    },
  };
}
