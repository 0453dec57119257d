import type { Resource } from '#proto';
import type { ResourceCache } from '../resource-cache.js';
import { carriesHttp } from './chain-match.js';
import { inboundClusterFor, inboundPassthroughCluster } from './clusters.js';
import type { InboundFacts } from './facts.js';
import { virtualInboundListener } from './listener.js';
import { inboundRouteFor } from './route.js';

/** Everything a sidecar needs to stand in front of its workload. */
export function inboundResources(cache: ResourceCache, facts: InboundFacts): readonly Resource[] {
  const served = facts.ports.filter((port) => port.served);
  return [
    cache.resource(`inbound listener ${JSON.stringify(facts)}`, () => virtualInboundListener(facts)),
    cache.resource('inbound passthrough', inboundPassthroughCluster),
    ...served.map((port) =>
      cache.resource(`inbound cluster ${port.port} ${port.protocol}`, () => inboundClusterFor(port)),
    ),
    ...served
      .filter(({ protocol }) => carriesHttp(protocol))
      .map((port) => {
        const key = JSON.stringify([port.port, port.grantedTrustDomains, facts.trustDomain, facts.policies]);
        return cache.resource(`inbound route ${key}`, () => inboundRouteFor(facts, port));
      }),
  ];
}
