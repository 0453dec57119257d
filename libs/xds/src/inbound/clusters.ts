import type { Resource } from '#proto';
import { upstreamHttp } from '../envoy/cluster-parts.js';
import { originalDestinationCluster } from '../envoy/fixed-clusters.js';
import { inboundCluster, names } from '../resource-names.js';
import type { InboundPort } from './facts.js';

/** Source address by which interception lets the proxy's own connections to the application pass. */
const source = '127.0.0.6';

/** Cluster `inbound|<port>||`: the application behind the proxy. */
export function inboundClusterFor({ port, protocol }: Pick<InboundPort, 'port' | 'protocol'>): Resource {
  return originalDestinationCluster({ name: inboundCluster(port), http: upstreamHttp(protocol), source });
}

/** Cluster for ports that no Service names. */
export function inboundPassthroughCluster(): Resource {
  return originalDestinationCluster({ name: names.inboundPassthroughCluster, http: 'as-downstream', source });
}
