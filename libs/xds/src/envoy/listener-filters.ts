import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type { ListenerFilterSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { HttpInspectorSchema } from '#proto-gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb';
import { OriginalDstSchema } from '#proto-gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb';
import { TlsInspectorSchema } from '#proto-gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb';
import type { Init } from './init.js';

type ListenerFilter = Init<typeof ListenerFilterSchema>;

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

/** Restores the address a redirected connection was meant for. */
export function originalDestination(): ListenerFilter {
  return {
    name: 'envoy.filters.listener.original_dst',
    configType: { case: 'typedConfig', value: packed(OriginalDstSchema, create(OriginalDstSchema)) },
  };
}
