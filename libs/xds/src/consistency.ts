import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Resource, TYPE_URLS } from '#proto';
import { ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import type { TransportSocket } from '#proto-gen/envoy/config/core/v3/base_pb';
import type { FilterChain } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { ListenerSchema } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import { HttpConnectionManagerSchema } from '#proto-gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb';
import { TcpProxySchema } from '#proto-gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb';
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_pb';
import type { Snapshot } from './snapshot.js';

interface Reference {
  readonly from: string;
  readonly typeUrl: string;
  readonly name: string;
}

/**
 * References of a snapshot to what it does not hold, one line each; none means that no listener or cluster waits for ever.
 * Decodes everything: for checks and specs, not for each push.
 */
export function danglingReferences(snapshot: Snapshot): readonly string[] {
  const references = [
    ...each(snapshot, TYPE_URLS.cluster, ClusterSchema, clusterReferences),
    ...each(snapshot, TYPE_URLS.listener, ListenerSchema, (listener, from) =>
      [...listener.filterChains, ...(listener.defaultFilterChain ? [listener.defaultFilterChain] : [])].flatMap(
        (chain) => chainReferences(chain, from),
      ),
    ),
    ...each(snapshot, TYPE_URLS.route, RouteConfigurationSchema, routeReferences),
  ];
  return references
    .filter(({ typeUrl, name }) => snapshot.get(typeUrl)?.has(name) !== true)
    .map(({ from, typeUrl, name }) => `${from} refers to ${typeUrl} "${name}", which is not served`);
}

function each<Desc extends DescMessage>(
  snapshot: Snapshot,
  typeUrl: string,
  schema: Desc,
  read: (message: MessageShape<Desc>, from: string) => readonly Reference[],
): readonly Reference[] {
  return [...(snapshot.get(typeUrl)?.values() ?? [])].flatMap((resource) =>
    read(decoded(schema, resource), resource.name),
  );
}

/** The message inside a resource; throws when it is of another type. */
export function decoded<Desc extends DescMessage>(schema: Desc, resource: Resource): MessageShape<Desc> {
  const message = anyUnpack(fromBinary(AnySchema, resource.bytes), schema);
  if (message === undefined)
    throw new Error(`resource ${resource.name}: ${resource.typeUrl} is not ${schema.typeName}`);
  return message;
}

function clusterReferences(cluster: MessageShape<typeof ClusterSchema>, from: string): readonly Reference[] {
  const sockets = [cluster.transportSocket, ...cluster.transportSocketMatches.map((match) => match.transportSocket)];
  const endpoints =
    cluster.edsClusterConfig === undefined
      ? []
      : [{ from, typeUrl: TYPE_URLS.endpoints, name: cluster.edsClusterConfig.serviceName }];
  return [...endpoints, ...sockets.flatMap((socket) => secretReferences(socket, from))];
}

function chainReferences(chain: FilterChain, from: string): readonly Reference[] {
  const filters = chain.filters.flatMap(({ configType }) => {
    if (configType.case !== 'typedConfig') return [];
    return [...tcpReferences(configType.value, from), ...httpReferences(configType.value, from)];
  });
  return [...filters, ...secretReferences(chain.transportSocket, from)];
}

function tcpReferences(config: Any, from: string): readonly Reference[] {
  const specifier = anyUnpack(config, TcpProxySchema)?.clusterSpecifier;
  return specifier?.case === 'cluster' ? [{ from, typeUrl: TYPE_URLS.cluster, name: specifier.value }] : [];
}

function httpReferences(config: Any, from: string): readonly Reference[] {
  const specifier = anyUnpack(config, HttpConnectionManagerSchema)?.routeSpecifier;
  return specifier?.case === 'rds' ? [{ from, typeUrl: TYPE_URLS.route, name: specifier.value.routeConfigName }] : [];
}

function routeReferences(route: MessageShape<typeof RouteConfigurationSchema>, from: string): readonly Reference[] {
  return route.virtualHosts.flatMap(({ routes }) =>
    routes.flatMap(({ action }) =>
      action.case === 'route' && action.value.clusterSpecifier.case === 'cluster'
        ? [{ from, typeUrl: TYPE_URLS.cluster, name: action.value.clusterSpecifier.value }]
        : [],
    ),
  );
}

function secretReferences(socket: TransportSocket | undefined, from: string): readonly Reference[] {
  if (socket?.configType.case !== 'typedConfig') return [];
  const config = socket.configType.value;
  const context =
    anyUnpack(config, UpstreamTlsContextSchema)?.commonTlsContext ??
    anyUnpack(config, DownstreamTlsContextSchema)?.commonTlsContext;
  return validationSecrets(context).map((name) => ({ from, typeUrl: TYPE_URLS.secret, name }));
}

/** Secrets asked for on the aggregated stream; the workload certificate comes from the agent. */
function validationSecrets(context: CommonTlsContext | undefined): readonly string[] {
  if (context?.validationContextType.case !== 'combinedValidationContext') return [];
  const secret = context.validationContextType.value.validationContextSdsSecretConfig;
  return secret?.sdsConfig?.configSourceSpecifier.case === 'ads' ? [secret.name] : [];
}
