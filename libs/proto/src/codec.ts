import { createHash } from 'node:crypto';
import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack } from '@bufbuild/protobuf/wkt';

/** Prefix of every type URL on the wire. */
export const TYPE_PREFIX = 'type.googleapis.com/';

/** One encoded, content-versioned xDS resource: encoded once, then shared by every proxy that is sent it. */
export interface Resource {
  readonly typeUrl: string;
  readonly name: string;
  /** Hash of `bytes`: equal content has an equal version in every replica. */
  readonly version: string;
  /** A serialised google.protobuf.Any. */
  readonly bytes: Uint8Array;
  /** Seconds after which the proxy drops the resource unless it is sent again. */
  readonly ttl?: number;
}

/** Type URL of a message type. */
export function typeUrlOf(schema: DescMessage): string {
  return TYPE_PREFIX + schema.typeName;
}

/** Encodes a message as a resource called `name`. Maps must have been filled in sorted order: bytes decide the version. */
export function toResource<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  name: string,
): Resource {
  const typeUrl = typeUrlOf(schema);
  const any = create(AnySchema, { typeUrl, value: toBinary(schema, message) });
  const bytes = toBinary(AnySchema, any);
  return { typeUrl, name, version: contentVersion(bytes), bytes };
}

/** Packs a message into google.protobuf.Any, as extension configurations need it. */
export function packed<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  return anyPack(schema, message);
}

/** 96 bits of SHA-256 over the content, in hexadecimal. */
export function contentVersion(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 24);
}
