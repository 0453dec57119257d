import { fromBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
} from '#proto-gen/envoy/service/discovery/v3/discovery_pb';
import type { Resource } from './codec.js';

/** State-of-the-world answer; field numbers are those of envoy.service.discovery.v3.DiscoveryResponse. */
export interface StateResponse {
  readonly versionInfo: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly Resource[];
}

/** Incremental answer; field numbers are those of envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export interface DeltaResponse {
  readonly systemVersionInfo: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly Resource[];
  readonly removedResources: readonly string[];
}

/** Decodes a state-of-the-world request; throws on malformed bytes. */
export function decodeDiscoveryRequest(bytes: Uint8Array): DiscoveryRequest {
  return fromBinary(DiscoveryRequestSchema, bytes);
}

/** Decodes an incremental request; throws on malformed bytes. */
export function decodeDeltaDiscoveryRequest(bytes: Uint8Array): DeltaDiscoveryRequest {
  return fromBinary(DeltaDiscoveryRequestSchema, bytes);
}

/** Frames already encoded resources: nothing is decoded or encoded again. */
export function encodeDiscoveryResponse(response: StateResponse): Uint8Array {
  const writer = new BinaryWriter();
  text(writer, 1, response.versionInfo);
  for (const resource of response.resources) field(writer, 2).bytes(resource.bytes);
  text(writer, 4, response.typeUrl);
  text(writer, 5, response.nonce);
  return writer.finish();
}

/** Frames already encoded resources with their names and versions: nothing is decoded or encoded again. */
export function encodeDeltaDiscoveryResponse(response: DeltaResponse): Uint8Array {
  const writer = new BinaryWriter();
  text(writer, 1, response.systemVersionInfo);
  for (const resource of response.resources) {
    field(writer, 2).fork();
    text(writer, 1, resource.version);
    field(writer, 2).bytes(resource.bytes);
    text(writer, 3, resource.name);
    if (resource.ttl !== undefined) field(writer, 6).fork().tag(1, WireType.Varint).int64(resource.ttl).join();
    writer.join();
  }
  text(writer, 4, response.typeUrl);
  text(writer, 5, response.nonce);
  for (const name of response.removedResources) field(writer, 6).string(name);
  return writer.finish();
}

function field(writer: BinaryWriter, number: number): BinaryWriter {
  return writer.tag(number, WireType.LengthDelimited);
}

function text(writer: BinaryWriter, number: number, value: string): void {
  if (value !== '') field(writer, number).string(value);
}
