import { create, toBinary } from '@bufbuild/protobuf';
import type { JsonObject } from '@bufbuild/protobuf';
import { describe, it } from '@jest/globals';
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '#proto-gen/envoy/service/discovery/v3/discovery_pb';
import { anyValue, fuzz, fuzzLimitMs } from '#testing';
import type { Dice } from '#testing';
import { decodeDeltaDiscoveryRequest, decodeDiscoveryRequest } from './discovery.js';

// A map's key `__proto__` is lost where messages are objects; no resource is called so.
const names = ['', '*', 'outbound|80||echo.demo', 'default', 'constructor', 'ä'];
const metadataKeys = ['CLUSTER_ID', 'LABELS', 'NAMESPACE', 'constructor'];

function common(dice: Dice): object {
  const metadata = Object.fromEntries(dice.list(4, () => [dice.pick(metadataKeys), anyValue(dice, metadataKeys, 2)]));
  return {
    typeUrl: dice.pick(names),
    responseNonce: dice.pick(names),
    ...(dice.next(3) === 0 ? {} : { node: { id: dice.pick(names), metadata: metadata as JsonObject } }),
    ...(dice.next(3) === 0 ? { errorDetail: { code: dice.next(20), message: dice.pick(names) } } : {}),
  };
}

function stateRequest(dice: Dice): Uint8Array {
  const resourceNames = dice.list(4, () => dice.pick(names));
  return toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { ...common(dice), resourceNames }));
}

function deltaRequest(dice: Dice): Uint8Array {
  const init = {
    ...common(dice),
    resourceNamesSubscribe: dice.list(4, () => dice.pick(names)),
    initialResourceVersions: Object.fromEntries(dice.list(3, () => [dice.pick(names), dice.pick(names)])),
  };
  return toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, init));
}

/** Some bytes changed, cut off, or the whole nested in itself. */
function broken(dice: Dice, whole: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(whole);
  const form = dice.next(4);
  if (form === 0) return bytes.subarray(0, dice.next(bytes.length + 1));
  if (form === 1) return Buffer.concat([Uint8Array.of(dice.next(256), bytes.length & 127), bytes]);
  for (let count = dice.next(4); count > 0; count -= 1) bytes[dice.next(bytes.length + 1)] = dice.next(256);
  return bytes;
}

describe('requests of proxies', () => {
  it.each([
    ['state of the world', stateRequest, decodeDiscoveryRequest, DiscoveryRequestSchema],
    ['incremental', deltaRequest, decodeDeltaDiscoveryRequest, DeltaDiscoveryRequestSchema],
  ] as const)(
    '%s: any bytes are a message, which reads back as itself, or refused with an Error',
    (_name, make, decode, schema) => {
      const encode = (message: ReturnType<typeof decode>): Buffer =>
        Buffer.from(
          toBinary(schema as typeof DiscoveryRequestSchema, message as ReturnType<typeof decodeDiscoveryRequest>),
        );
      fuzz((dice) => {
        const whole = make(dice);
        if (dice.next(3) === 0) {
          if (!encode(decode(whole)).equals(whole)) throw new Error('a whole request must read back as itself');
          return;
        }
        let message: ReturnType<typeof decode>;
        try {
          message = decode(broken(dice, whole));
        } catch (error) {
          // A RangeError of the reader is "past the end"; that of a stack would be ours to bound.
          if (/call stack/.test(String(error))) throw error;
          return;
        }
        const bytes = encode(message);
        if (!encode(decode(bytes)).equals(bytes)) throw new Error('not the same when read again');
      });
    },
    fuzzLimitMs,
  );
});
