import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import { names } from '../resource-names.js';
import { circuitBreakers, httpProtocolOptions, type UpstreamHttp } from './cluster-parts.js';
import { duration } from './config.js';

/** Where what matches nothing ends: no endpoints, so the connection is closed. */
export function blackHoleCluster(): Resource {
  const cluster = create(ClusterSchema, {
    name: names.blackHoleCluster,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(10_000),
  });
  return toResource(ClusterSchema, cluster, names.blackHoleCluster);
}

/** On to where the client was going. */
export function passthroughCluster(): Resource {
  return originalDestinationCluster({ name: names.passthroughCluster, http: 'as-downstream' });
}

interface OriginalDestination {
  readonly name: string;
  readonly http: UpstreamHttp;
  /** Source address of the connection to the application, by which interception knows it. */
  readonly source?: string;
}

/** Cluster of the connection's original destination. */
export function originalDestinationCluster({ name, http, source }: OriginalDestination): Resource {
  const cluster = create(ClusterSchema, {
    name,
    ...(name.includes('|') ? { altStatName: `${name};` } : {}),
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    connectTimeout: duration(10_000),
    circuitBreakers: circuitBreakers(),
    typedExtensionProtocolOptions: httpProtocolOptions(http),
    ...(source === undefined
      ? {}
      : {
          upstreamBindConfig: {
            sourceAddress: { address: source, portSpecifier: { case: 'portValue' as const, value: 0 } },
          },
        }),
  });
  return toResource(ClusterSchema, cluster, name);
}
