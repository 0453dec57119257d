import type { RetryPolicySchema, RouteSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { duration } from './config.js';
import type { Init } from './init.js';

/** What is done with all requests of a virtual host: to this cluster, however long they take (Istio's default). */
export function allTo(
  name: string,
  cluster: string,
  retryPolicy?: Init<typeof RetryPolicySchema>,
): Init<typeof RouteSchema> {
  return {
    name,
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: cluster },
        timeout: duration(0),
        maxStreamDuration: { maxStreamDuration: duration(0), grpcTimeoutHeaderMax: duration(0) },
        ...(retryPolicy === undefined ? {} : { retryPolicy }),
      },
    },
  };
}
