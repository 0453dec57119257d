import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import { ConfigSchema } from '#proto-gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb';
import type { HttpFilter } from '../envoy/network-filters.js';

/** Overrides the ALPN of the upstream connection for each stream: a detected port's cluster can't know what will be detected. */
export function offerAlpn(protocols: readonly string[]): HttpFilter {
  const config = create(ConfigSchema, {
    onRequestHeaders: [
      {
        key: { case: 'objectKey', value: 'envoy.network.application_protocols' },
        value: {
          case: 'formatString',
          value: {
            format: {
              case: 'textFormatSource',
              value: { specifier: { case: 'inlineString', value: protocols.join(',') } },
            },
          },
        },
      },
    ],
  });
  return {
    name: 'envoy.filters.http.set_filter_state',
    configType: { case: 'typedConfig', value: packed(ConfigSchema, config) },
  };
}
