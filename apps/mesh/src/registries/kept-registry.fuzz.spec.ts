import { gzipSync } from 'node:zlib';
import { describe, it } from '@jest/globals';
import type { ConfigMap } from '#istio-api';
import { annotations } from '#model';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, readOr } from '#testing';
import {
  digestOf,
  indexConfigMap,
  indexIn,
  keptLimits,
  packedIn,
  partConfigMap,
  partNames,
  registryIn,
  registryText,
} from './kept-registry.js';
import type { KeptIndex } from './kept-registry.js';

const owner = { clusterID: 'west', secret: 'istio-system/west', secretUID: 'uid', trustDomain: 'west.example' };
const index: KeptIndex = { version: 1, owner, digest: digestOf(''), generation: 'a1', parts: 2, lastContact: 5 };
const metadata = { namespace: 'demo', name: 'echo' };
const registry = {
  services: [{ metadata, spec: { ports: [{ port: 80 }] } }],
  endpointSlices: [{ metadata, endpoints: [{ addresses: ['10.0.0.1'] }] }],
  pods: [{ metadata, status: { podIP: '10.0.0.1' } }],
  localities: [['node-1', 'eu/a']],
  networks: [['demo', 'net-west']],
};
const names = [...Object.keys(index), ...Object.keys(owner), ...Object.keys(registry), 'metadata', 'name', '__proto__'];

describe('what is kept of a remote cluster', () => {
  it(
    'any annotation is an index of this cluster with parts within the limit, or refused by a text that names it',
    () => {
      const kept = indexConfigMap('isthmus-peers', index);
      return fuzzBothWays((dice) => {
        const text = JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, index, names) : index);
        const notes = { [annotations.keptRegistry]: dice.next(2) === 0 ? text : brokenText(dice, text) };
        const read = indexIn({ metadata: { ...kept.metadata, annotations: notes } });
        if (typeof read === 'string') {
          if (!read.startsWith(`annotation ${annotations.keptRegistry} is `)) throw new Error(read);
          return false;
        }
        const parts = partNames(read);
        if (parts.length < 1 || parts.length > keptLimits.parts) throw new Error(`${parts.length} parts`);
        if (read.owner.clusterID !== 'west' || !Number.isFinite(read.lastContact)) throw new Error(text);
        return true;
      });
    },
    fuzzLimitMs,
  );

  it(
    'any text is a registry of named objects that is written again as it was read, or an error that names the field',
    () =>
      fuzzBothWays((dice) => {
        const whole = JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, registry, names) : registry);
        const text = dice.next(2) === 0 ? whole : brokenText(dice, whole);
        const read = readOr(
          () => registryIn(text),
          ({ message }) => /^(what is kept|\w+) is no /.test(message),
        );
        if (read === undefined) return false;
        const again = registryText(read);
        if (registryText(registryIn(again)) !== again) throw new Error(text);
        for (const { metadata: named } of [...read.services, ...read.endpointSlices, ...read.pods])
          if (typeof named?.name !== 'string' || typeof named.namespace !== 'string') throw new Error(text);
        for (const each of [...read.localities, ...read.networks].flat()) each.trim();
        return true;
      }),
    fuzzLimitMs,
  );

  it(
    'any ConfigMaps are the bytes of all parts, one after another, or nothing',
    () => {
      const packed = gzipSync(JSON.stringify(registry));
      return fuzzBothWays((dice) => {
        const parts: (ConfigMap | undefined)[] = [packed.subarray(0, 50), packed.subarray(50)].map((part) =>
          partConfigMap('n', 'p', part),
        );
        const at = dice.next(3);
        const form = dice.next(4);
        if (form === 0) parts[at] = undefined;
        if (form === 1) parts[at] = { ...parts[at], binaryData: {} } as ConfigMap;
        if (form === 2) parts[at] = partConfigMap('n', 'p', Buffer.from(brokenText(dice, 'part')));
        const read = packedIn(parts);
        if (read === undefined) return false;
        const sizes = parts.map((part) => Buffer.from(part?.binaryData?.['part.gz'] ?? '', 'base64').length);
        if (read.length !== sizes.reduce((sum, size) => sum + size, 0)) throw new Error(sizes.join());
        if (form === 3 && !read.equals(packed)) throw new Error('other bytes');
        return true;
      });
    },
    fuzzLimitMs,
  );
});
