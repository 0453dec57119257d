import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { TrafficDirection } from '#proto-gen/envoy/config/core/v3/base_pb';
import { Cluster_DiscoveryType, ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import type { FilterChainSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { ListenerSchema } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { circuitBreakers } from '../envoy/cluster-parts.js';
import { duration, fromAds, socketAddress } from '../envoy/config.js';
import type { Init } from '../envoy/init.js';
import { tlsInspector } from '../envoy/listener-filters.js';
import { tcpProxy } from '../envoy/network-filters.js';
import { names, ports } from '../resource-names.js';
import { alpn } from '../identity/alpn.js';

type FilterChain = Init<typeof FilterChainSchema>;

/** Connections tried, each to another endpoint, before a caller's is closed; nothing has been sent by then. */
const connectAttempts = 3;

/**
 * East-west gateway: passes mutual TLS through by exact server name, one chain per exported service port. A name that is not
 * exported, one made to look like another cluster's (`outbound|…`), or an ALPN that is not the mesh's finds no chain and is closed.
 * Chains change one by one: an export that goes takes its own connections with it, and no others.
 */
export function gatewayListener(serverNames: readonly string[]): Resource {
  const name = `0.0.0.0_${ports.gateway}`;
  const listener = create(ListenerSchema, {
    name,
    address: socketAddress('0.0.0.0', ports.gateway),
    trafficDirection: TrafficDirection.OUTBOUND,
    listenerFilters: [tlsInspector()],
    filterChains: [refusalChain(), ...serverNames.map(exportChain)],
  });
  return toResource(ListenerSchema, listener, name);
}

function exportChain(serverName: string): FilterChain {
  return {
    name: serverName,
    filterChainMatch: { serverNames: [serverName], transportProtocol: 'tls', applicationProtocols: [...alpn.mesh] },
    filters: [tcpProxy(serverName, connectAttempts)],
  };
}

/** A listener needs a chain even while nothing is exported; plain text is never forwarded. */
function refusalChain(): FilterChain {
  return {
    name: 'plain-text-refused',
    filterChainMatch: { transportProtocol: 'raw_buffer' },
    filters: [tcpProxy(names.blackHoleCluster)],
  };
}

/** Cluster of an exported service port, named like its SNI; TLS is the caller's and the workload's own affair. */
export function gatewayCluster(serverName: string): Resource {
  const cluster = create(ClusterSchema, {
    name: serverName,
    altStatName: `${serverName};`,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: fromAds(), serviceName: serverName },
    connectTimeout: duration(3000),
    circuitBreakers: circuitBreakers(),
  });
  return toResource(ClusterSchema, cluster, serverName);
}
