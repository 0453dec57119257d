import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import type { AddressSchema } from '#proto-gen/envoy/config/core/v3/address_pb';
import {
  ApiVersion,
  ApiConfigSource_ApiType,
  type ConfigSourceSchema,
} from '#proto-gen/envoy/config/core/v3/config_source_pb';
import type { SdsSecretConfigSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/secret_pb';
import type { Init } from './init.js';
import { names } from '../resource-names.js';

/** Duration from milliseconds. */
export function duration(ms: number): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) });
}

/** TCP socket address; `address` is an IP, or a host name in DNS clusters. */
export function socketAddress(address: string, port: number): Init<typeof AddressSchema> {
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } };
}

/** "This very stream", waited for without limit: the server always answers a subscribed name. */
export function fromAds(): Init<typeof ConfigSourceSchema> {
  return {
    configSourceSpecifier: { case: 'ads', value: {} },
    initialFetchTimeout: duration(0),
    resourceApiVersion: ApiVersion.V3,
  };
}

/** The agent's own secret service, which holds the workload's key and certificate. */
export function workloadCertificate(): Init<typeof SdsSecretConfigSchema> {
  return {
    name: names.workloadCertificate,
    sdsConfig: {
      configSourceSpecifier: {
        case: 'apiConfigSource',
        value: {
          apiType: ApiConfigSource_ApiType.GRPC,
          transportApiVersion: ApiVersion.V3,
          setNodeOnFirstMessageOnly: true,
          grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: names.certificateCluster } } }],
        },
      },
      initialFetchTimeout: duration(0),
      resourceApiVersion: ApiVersion.V3,
    },
  };
}
