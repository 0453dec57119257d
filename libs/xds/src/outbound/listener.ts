import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { TrafficDirection } from '#proto-gen/envoy/config/core/v3/base_pb';
import type { FilterChainSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { ListenerSchema } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { HttpConnectionManager_ForwardClientCertDetails } from '#proto-gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb';
import { duration, socketAddress } from '../envoy/config.js';
import type { Init } from '../envoy/init.js';
import { httpInspector, tlsInspector } from '../envoy/listener-filters.js';
import { httpConnectionManager, type HttpFilter, type NetworkFilter, tcpProxy } from '../envoy/network-filters.js';
import type { MeshSettings } from '../mesh-model.js';
import { names, outboundCluster, ports } from '../resource-names.js';
import { alpn } from '../identity/alpn.js';
import { offerAlpn } from './offer-alpn.js';
import { retryOnLostConnection } from './retry-on-lost-connection.js';

type FilterChain = Init<typeof FilterChainSchema>;
type TrafficPolicyMode = MeshSettings['outboundTrafficPolicy'];

/**
 * Endpoints tried before a client's connection is closed; nothing has been sent by then. Two failures eject a lost gateway, so that
 * the further attempts find another.
 */
const connectAttempts = 5;

/** What stands behind one outbound address and port. */
export interface OutboundListenerInput {
  /** `0.0.0.0`, or the virtual address of the one service that the listener is for. */
  readonly address: string;
  readonly port: number;
  /** Route configuration for HTTP; absent when the port carries none. */
  readonly routeName?: string;
  /** True when the listener's own cluster has to be told per stream which ALPN to offer. */
  readonly detected: boolean;
  /** TLS passed on by server name. */
  readonly tlsHosts: readonly string[];
  /** Host whose cluster takes what is neither of these; absent passes it on to where it was going. */
  readonly tcpHost?: string;
  readonly outboundTrafficPolicy: TrafficPolicyMode;
}

/** Listener of one intercepted port; it binds nothing: `virtualOutbound` hands it the connection by original destination. */
export function outboundListenerFor(input: OutboundListenerInput): Resource {
  const name = `${input.address}_${input.port}`;
  const inspectsHttp = input.routeName !== undefined;
  const inspectsTls = inspectsHttp || input.tlsHosts.length > 0;
  const chains = [...httpChains(name, input), ...tlsChains(input)];
  const rest = restOf(input);
  const listener = create(ListenerSchema, {
    name,
    address: socketAddress(input.address, input.port),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    listenerFilters: [...(inspectsTls ? [tlsInspector()] : []), ...(inspectsHttp ? [httpInspector()] : [])],
    listenerFiltersTimeout: duration(0),
    continueOnListenerFiltersTimeout: true,
    ...(chains.length === 0 ? { filterChains: [rest] } : { filterChains: chains, defaultFilterChain: rest }),
  });
  return toResource(ListenerSchema, listener, name);
}

function httpChains(name: string, { routeName, detected }: OutboundListenerInput): readonly FilterChain[] {
  if (routeName === undefined) return [];
  const chain = (offers: readonly string[], filters: readonly HttpFilter[]): FilterChain => ({
    filterChainMatch: { transportProtocol: 'raw_buffer', applicationProtocols: [...offers] },
    filters: [outboundHttp(`outbound_${name}`, routeName, filters)],
  });
  if (!detected) return [chain(alpn.plainHttp, [])];
  return [chain(['http/1.1'], [offerAlpn(alpn.http1)]), chain(['h2c'], [offerAlpn(alpn.http2)])];
}

/** A caller's own x-forwarded-client-cert is dropped: identity is only what the server's proxy sees. */
function outboundHttp(statPrefix: string, routeName: string, filters: readonly HttpFilter[]): NetworkFilter {
  return httpConnectionManager({
    statPrefix,
    routeName,
    filters: [...filters, retryOnLostConnection()],
    clientCertificate: { forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE },
  });
}

function tlsChains({ tlsHosts, port }: OutboundListenerInput): readonly FilterChain[] {
  return tlsHosts.map((host) => ({
    filterChainMatch: { serverNames: [host], transportProtocol: 'tls' },
    filters: [tcpProxy(outboundCluster(port, host), connectAttempts)],
  }));
}

function restOf({ tcpHost, port, outboundTrafficPolicy }: OutboundListenerInput): FilterChain {
  if (tcpHost !== undefined) return { filters: [tcpProxy(outboundCluster(port, tcpHost), connectAttempts)] };
  return { name: 'PassthroughFilterChain', filters: [tcpProxy(fallbackCluster(outboundTrafficPolicy))] };
}

function fallbackCluster(policy: TrafficPolicyMode): string {
  return policy === 'REGISTRY_ONLY' ? names.blackHoleCluster : names.passthroughCluster;
}

/** `virtualOutbound`: takes every redirected connection and hands it to the listener of its original destination. */
export function virtualOutboundListener(policy: TrafficPolicyMode): Resource {
  const listener = create(ListenerSchema, {
    name: names.virtualOutbound,
    address: socketAddress('0.0.0.0', ports.outbound),
    useOriginalDst: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [
      {
        name: 'virtualOutbound-blackhole',
        filterChainMatch: { destinationPort: ports.outbound },
        filters: [tcpProxy(names.blackHoleCluster)],
      },
      { name: 'virtualOutbound-catchall-tcp', filters: [tcpProxy(fallbackCluster(policy))] },
    ],
  });
  return toResource(ListenerSchema, listener, names.virtualOutbound);
}
