import { gzipSync } from 'node:zlib';
import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import type { Dice } from '#testing';
import type { SecretData } from './registry-secret.js';
import { trustRegistryIn, trustSecretData } from './trust.js';
import type { TrustRegistry } from './trust.js';
import { wayOutRegistryIn, wayOutSecretData } from './way-out.js';
import type { WayOutRegistry } from './way-out.js';

const trust: TrustRegistry = {
  version: 1,
  peers: [
    {
      kind: 'IstioFederation',
      name: 'b',
      clusterUUID: 'uuid-b',
      trustDomain: 'b.example',
      clusterDomain: 'b.example',
      roots: ['pem'],
      keys: [{ kid: 'k', pem: fuzzSecret, state: 'current' }],
      signed: true,
      crls: [],
      scopes: ['private-federation'],
      legacyAPITokens: false,
    },
  ],
};
const wayOut: WayOutRegistry = {
  version: 1,
  peers: [
    {
      name: 'west',
      apiHost: 'west:6443',
      audience: 'uuid',
      insecureSkipVerify: false,
      readers: [{ reader: 'mesh', sha256: fuzzSecret }],
    },
  ],
  ownAddresses: ['10.0.0.1'],
};
const keys = ['version', 'peers', 'keys', 'readers', 'roots', 'name', 'ownAddresses', '__proto__'];

/** Secret data around a text that was broken, or around bytes that were. */
function dataFrom(dice: Dice, registry: object, key: string): SecretData {
  const text = JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, registry, keys) : registry);
  if (dice.next(8) > 0) return { [key]: Buffer.from(brokenText(dice, text)).toString('base64') };
  const packed = gzipSync(text, { level: 1 });
  packed[dice.next(packed.length * 2)] = dice.next(256);
  return { [`${key}.gz`]: packed.toString('base64') };
}

describe('registries in Secrets', () => {
  it(
    'isthmus-trust: a registry that is written again as it was read, or an error that names the Secret and shows nothing of it',
    () =>
      fuzzBothWays((dice) => {
        const read = readOr(
          () => trustRegistryIn(dataFrom(dice, trust, 'trust.json')),
          (error) => error.message.startsWith('Secret isthmus-trust, key trust.json: '),
        );
        if (read === undefined) return false;
        for (const { roots, crls, scopes, keys: trusted, name } of read.peers)
          [...roots, ...crls, ...scopes, ...trusted.map(({ pem }) => pem), name].forEach((text) => text.trim());
        const again = trustRegistryIn(trustSecretData(read));
        if (again?.peers.length !== read.peers.length) throw new Error(JSON.stringify(read));
        return true;
      }),
    fuzzLimitMs,
  );

  it(
    'isthmus-way-out: the same',
    () =>
      fuzzBothWays((dice) => {
        const read = readOr(
          () => wayOutRegistryIn(dataFrom(dice, wayOut, 'peers.json')),
          (error) => error.message.startsWith('Secret isthmus-way-out, key peers.json: '),
        );
        if (read === undefined) return false;
        for (const { name, apiHost, readers } of read.peers)
          [name, apiHost, ...readers.map(({ sha256 }) => sha256)].forEach((text) => text.trim());
        const again = wayOutRegistryIn(wayOutSecretData(read));
        if (again?.peers.length !== read.peers.length) throw new Error(JSON.stringify(read));
        return true;
      }),
    fuzzLimitMs,
  );
});
