import { createRegistry, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { Resource } from '#proto';
import { file_envoy_config_cluster_v3_cluster } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import { file_envoy_config_endpoint_v3_endpoint } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import { file_envoy_config_listener_v3_listener } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { file_envoy_config_route_v3_route } from '#proto-gen/envoy/config/route/v3/route_pb';
import { file_envoy_extensions_common_matching_v3_extension_matcher } from '#proto-gen/envoy/extensions/common/matching/v3/extension_matcher_pb';
import { file_envoy_extensions_filters_common_matcher_action_v3_skip_action } from '#proto-gen/envoy/extensions/filters/common/matcher/action/v3/skip_action_pb';
import { file_envoy_extensions_filters_http_header_mutation_v3_header_mutation } from '#proto-gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb';
import { file_envoy_config_route_v3_route_components } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { file_envoy_type_matcher_v3_http_inputs } from '#proto-gen/envoy/type/matcher/v3/http_inputs_pb';
import { file_envoy_extensions_filters_http_rbac_v3_rbac } from '#proto-gen/envoy/extensions/filters/http/rbac/v3/rbac_pb';
import { file_envoy_extensions_filters_http_router_v3_router } from '#proto-gen/envoy/extensions/filters/http/router/v3/router_pb';
import { file_envoy_extensions_filters_http_set_filter_state_v3_set_filter_state } from '#proto-gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb';
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from '#proto-gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb';
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from '#proto-gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb';
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '#proto-gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '#proto-gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb';
import { file_envoy_extensions_filters_network_rbac_v3_rbac } from '#proto-gen/envoy/extensions/filters/network/rbac/v3/rbac_pb';
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '#proto-gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb';
import { file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config } from '#proto-gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb';
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '#proto-gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb';
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from '#proto-gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb';
import { file_envoy_extensions_transport_sockets_tls_v3_secret } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/secret_pb';
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_pb';
import { file_envoy_extensions_transport_sockets_tls_v3_tls_spiffe_validator_config } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '#proto-gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb';
import { file_istio_networking_nds_v1_nds } from '#proto-gen/istio/networking/nds/v1/nds_pb';

const registry = createRegistry(
  file_envoy_config_cluster_v3_cluster,
  file_envoy_config_endpoint_v3_endpoint,
  file_envoy_config_listener_v3_listener,
  file_envoy_config_route_v3_route,
  file_envoy_extensions_common_matching_v3_extension_matcher,
  file_envoy_extensions_filters_common_matcher_action_v3_skip_action,
  file_envoy_extensions_filters_http_header_mutation_v3_header_mutation,
  file_envoy_config_route_v3_route_components,
  file_envoy_type_matcher_v3_http_inputs,
  file_envoy_extensions_filters_http_rbac_v3_rbac,
  file_envoy_extensions_filters_http_router_v3_router,
  file_envoy_extensions_filters_http_set_filter_state_v3_set_filter_state,
  file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector,
  file_envoy_extensions_filters_listener_original_dst_v3_original_dst,
  file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
  file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
  file_envoy_extensions_filters_network_rbac_v3_rbac,
  file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config,
  file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer,
  file_envoy_extensions_transport_sockets_tls_v3_secret,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_transport_sockets_tls_v3_tls_spiffe_validator_config,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
  file_istio_networking_nds_v1_nds,
);

/** A JSON object. */
export interface JsonFields {
  [key: string]: JsonValue;
}

/** The resource as Envoy's JSON, without the `@type` of the outermost Any. */
export function resourceJson(resource: Resource): JsonFields {
  const any = fieldsOf(toJson(AnySchema, fromBinary(AnySchema, resource.bytes), { registry }));
  return without(any, '@type');
}

export function fieldsOf(value: JsonValue | undefined): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a JSON object');
  return value;
}

/** Rebuilds a JSON tree from the leaves up; `change` sees every object after its parts. */
export function rewritten(value: JsonValue, change: (fields: JsonFields) => JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => rewritten(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return change(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rewritten(item, change)])));
}

/** A copy without one field. */
export function without(fields: JsonFields, name: string): JsonFields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}
