import type { Resource } from '#proto';
import { blackHoleCluster } from '../envoy/fixed-clusters.js';
import { endpointsFor } from '../outbound/endpoints.js';
import type { ResourceCache } from '../resource-cache.js';
import type { GatewayFacts } from './facts.js';
import { gatewayCluster, gatewayListener } from './resources.js';

/** All that an east-west gateway is served: nothing but exported names can be reached through it. */
export function gatewayResources(cache: ResourceCache, facts: GatewayFacts): readonly Resource[] {
  const serverNames = facts.map(({ serverName }) => serverName);
  return [
    cache.resource('black hole', blackHoleCluster),
    cache.resource(`gateway listener ${serverNames.join(' ')}`, () => gatewayListener(serverNames)),
    ...facts.flatMap(({ serverName, endpoints }) => [
      cache.resource(`gateway cluster ${serverName}`, () => gatewayCluster(serverName)),
      cache.resource(`gateway endpoints ${serverName} ${JSON.stringify(endpoints)}`, () =>
        endpointsFor(serverName, endpoints),
      ),
    ]),
  ];
}
