import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { decodeDeltaDiscoveryRequest, decodeDiscoveryRequest } from '#proto';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '#proto-gen/envoy/service/discovery/v3/discovery_pb';
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from '#proto-gen/istio/v1/auth/ca_pb';

/** Responses leave as bytes that were framed from encoded resources. */
function bidirectional<Request>(path: string, decode: (bytes: Buffer) => Request): MethodDefinition<Request, Buffer> {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestDeserialize: decode,
    requestSerialize: () => {
      throw new Error('this definition serves only');
    },
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
}

const discovery = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

/** envoy.service.discovery.v3.AggregatedDiscoveryService, both variants. */
export const discoveryService = {
  StreamAggregatedResources: bidirectional<DiscoveryRequest>(
    `${discovery}/StreamAggregatedResources`,
    decodeDiscoveryRequest,
  ),
  DeltaAggregatedResources: bidirectional<DeltaDiscoveryRequest>(
    `${discovery}/DeltaAggregatedResources`,
    decodeDeltaDiscoveryRequest,
  ),
} as const satisfies ServiceDefinition;

const createCertificate: MethodDefinition<IstioCertificateRequest, IstioCertificateResponse> = {
  path: '/istio.v1.auth.IstioCertificateService/CreateCertificate',
  requestStream: false,
  responseStream: false,
  requestSerialize: (request) => Buffer.from(toBinary(IstioCertificateRequestSchema, request)),
  requestDeserialize: (bytes) => fromBinary(IstioCertificateRequestSchema, bytes),
  responseSerialize: (response) => Buffer.from(toBinary(IstioCertificateResponseSchema, response)),
  responseDeserialize: (bytes) => fromBinary(IstioCertificateResponseSchema, bytes),
};

/** istio.v1.auth.IstioCertificateService, as Istio's agents call it. */
export const certificateServiceDefinition = {
  CreateCertificate: createCertificate,
} as const satisfies ServiceDefinition;
