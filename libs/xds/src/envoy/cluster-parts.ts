import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { packed } from '#proto';
import type { CircuitBreakersSchema } from '#proto-gen/envoy/config/cluster/v3/circuit_breaker_pb';
import { HttpProtocolOptionsSchema } from '#proto-gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb';
import type { Init } from './init.js';
import type { PortProtocol, TrafficPolicy } from '../mesh-model.js';

const unlimited = 4294967295;
const optionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Which HTTP version a cluster speaks upstream: fixed, or that of the downstream connection. */
export type UpstreamHttp = 'http1' | 'http2' | 'as-downstream';

/** HTTP version for a port; Istio speaks HTTP/1.1 to `http` ports unless the policy upgrades them. */
export function upstreamHttp(protocol: PortProtocol, upgrade = false): UpstreamHttp {
  if (protocol === 'HTTP2' || protocol === 'GRPC') return 'http2';
  if (protocol === 'HTTP') return upgrade ? 'http2' : 'http1';
  return 'as-downstream';
}

/** typed_extension_protocol_options of a cluster. */
export function httpProtocolOptions(version: UpstreamHttp, maxRequestsPerConnection?: number): Record<string, Any> {
  const options = create(HttpProtocolOptionsSchema, {
    ...(maxRequestsPerConnection === undefined ? {} : { commonHttpProtocolOptions: { maxRequestsPerConnection } }),
    upstreamProtocolOptions: protocolOptions(version),
  });
  return { [optionsKey]: packed(HttpProtocolOptionsSchema, options) };
}

function protocolOptions(
  version: UpstreamHttp,
): NonNullable<Init<typeof HttpProtocolOptionsSchema>['upstreamProtocolOptions']> {
  if (version === 'as-downstream') {
    return { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: {} } };
  }
  const protocolConfig =
    version === 'http2'
      ? ({ case: 'http2ProtocolOptions', value: {} } as const)
      : ({ case: 'httpProtocolOptions', value: {} } as const);
  return { case: 'explicitHttpConfig', value: { protocolConfig } };
}

/** Istio's default: no limit but those a DestinationRule sets. */
export function circuitBreakers(policy: TrafficPolicy = {}): Init<typeof CircuitBreakersSchema> {
  return {
    thresholds: [
      {
        maxConnections: policy.maxConnections ?? unlimited,
        maxPendingRequests: policy.http1MaxPendingRequests ?? unlimited,
        maxRequests: policy.http2MaxRequests ?? unlimited,
        maxRetries: unlimited,
        trackRemaining: true,
      },
    ],
  };
}
