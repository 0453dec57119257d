import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type {
  ListenerFilterChainMatchPredicateSchema,
  ListenerFilterSchema,
} from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { HttpInspectorSchema } from '#proto-gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb';
import { OriginalDstSchema } from '#proto-gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb';
import { TlsInspectorSchema } from '#proto-gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb';
import type { Init } from './init.js';

type ListenerFilter = Init<typeof ListenerFilterSchema>;
type Predicate = Init<typeof ListenerFilterChainMatchPredicateSchema>;

/** Reads SNI and ALPN without ending TLS. */
export function tlsInspector(): ListenerFilter {
  return {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: packed(TlsInspectorSchema, create(TlsInspectorSchema)) },
  };
}

/** Recognises HTTP by its first bytes. */
export function httpInspector(): ListenerFilter {
  return {
    name: 'envoy.filters.listener.http_inspector',
    configType: { case: 'typedConfig', value: packed(HttpInspectorSchema, create(HttpInspectorSchema)) },
  };
}

/**
 * The filter for connections to these ports only: an inspector makes a connection wait for bytes that tell, which on a port that needs
 * no telling may never come. None for no ports.
 */
export function onPorts(filter: ListenerFilter, ports: readonly number[]): readonly ListenerFilter[] {
  if (ports.length === 0) return [];
  return [{ ...filter, filterDisabled: { rule: { case: 'notMatch', value: toOneOf(ports) } } }];
}

/** The filter for connections to all ports but these. */
export function exceptOnPorts(filter: ListenerFilter, ports: readonly number[]): ListenerFilter {
  return ports.length === 0 ? filter : { ...filter, filterDisabled: toOneOf(ports) };
}

function toOneOf(ports: readonly number[]): Predicate {
  const rules = ports.map((port): Predicate => ({
    rule: { case: 'destinationPortRange', value: { start: port, end: port + 1 } },
  }));
  const [only, ...more] = rules;
  // An alternative has at least two members.
  return only !== undefined && more.length === 0 ? only : { rule: { case: 'orMatch', value: { rules } } };
}

/** Restores the address a redirected connection was meant for. */
export function originalDestination(): ListenerFilter {
  return {
    name: 'envoy.filters.listener.original_dst',
    configType: { case: 'typedConfig', value: packed(OriginalDstSchema, create(OriginalDstSchema)) },
  };
}
