import { createHash } from 'node:crypto';
import { create, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

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
  return resourceOf(schema, toBinary(schema, message), name);
}

/** Encodes a message by itself, as a part for `toResourceWithParts`. */
export function encoded<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, init));
}

/** Encoded messages of one repeated field, named as in the schema. */
export interface EncodedParts {
  readonly field: string;
  readonly parts: readonly Uint8Array[];
}

/**
 * Like `toResource`, for a message with one long repeated field whose messages are encoded already: they follow the rest as they are,
 * which protobuf's encoding allows (fields may come in any order).
 */
export function toResourceWithParts<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  name: string,
  { field, parts }: EncodedParts,
): Resource {
  const number = schema.field[field]?.number;
  if (number === undefined) throw new Error(`${schema.typeName} has no field ${field}`);
  const writer = new BinaryWriter().raw(toBinary(schema, message));
  for (const part of parts) writer.tag(number, WireType.LengthDelimited).bytes(part);
  return resourceOf(schema, writer.finish(), name);
}

function resourceOf(schema: DescMessage, value: Uint8Array, name: string): Resource {
  const typeUrl = typeUrlOf(schema);
  const bytes = toBinary(AnySchema, create(AnySchema, { typeUrl, value }));
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
