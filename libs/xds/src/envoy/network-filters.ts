import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type { FilterSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { RouterSchema } from '#proto-gen/envoy/extensions/filters/http/router/v3/router_pb';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
} from '#proto-gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb';
import { TcpProxySchema } from '#proto-gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb';
import { duration, fromAds } from './config.js';
import type { Init } from './init.js';

/** A network filter of a filter chain. */
export type NetworkFilter = Init<typeof FilterSchema>;
export type HttpFilter = Init<typeof HttpFilterSchema>;

/** Forwards bytes to a cluster. A refused connection is tried `attempts` times before the client's is closed. */
export function tcpProxy(cluster: string, attempts?: number): NetworkFilter {
  const config = create(TcpProxySchema, {
    statPrefix: cluster,
    clusterSpecifier: { case: 'cluster', value: cluster },
    ...(attempts === undefined ? {} : { maxConnectAttempts: attempts }),
  });
  return {
    name: 'envoy.filters.network.tcp_proxy',
    configType: { case: 'typedConfig', value: packed(TcpProxySchema, config) },
  };
}

/** What differs between the HTTP connection managers of a proxy. */
export interface HttpManager {
  readonly statPrefix: string;
  /** Route configuration, delivered on the aggregated stream, so that routes and their rules change without a drain. */
  readonly routeName: string;
  /** Filters ahead of the router. */
  readonly filters: readonly HttpFilter[];
  readonly clientCertificate: Pick<HttpConnectionManager, 'forwardClientCertDetails'> &
    Pick<Init<typeof HttpConnectionManagerSchema>, 'setCurrentClientCertDetails'>;
}

/** HTTP connection manager with routes by ADS. */
export function httpConnectionManager(manager: HttpManager): NetworkFilter {
  const config = create(HttpConnectionManagerSchema, {
    statPrefix: manager.statPrefix,
    routeSpecifier: { case: 'rds', value: { configSource: fromAds(), routeConfigName: manager.routeName } },
    httpFilters: [...manager.filters, router()],
    useRemoteAddress: false,
    normalizePath: true,
    streamIdleTimeout: duration(0),
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    ...manager.clientCertificate,
  });
  return {
    name: 'envoy.filters.network.http_connection_manager',
    configType: { case: 'typedConfig', value: packed(HttpConnectionManagerSchema, config) },
  };
}

function router(): HttpFilter {
  return {
    name: 'envoy.filters.http.router',
    configType: { case: 'typedConfig', value: packed(RouterSchema, create(RouterSchema)) },
  };
}
