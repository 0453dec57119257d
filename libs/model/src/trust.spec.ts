import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { fitsTrustSecret, formatTrustRegistry, trustRegistryIn, trustSecretData } from './trust.js';
import type { TrustedPeer, TrustRegistry } from './trust.js';

function registry(rootBytes: number): TrustRegistry {
  const peer: TrustedPeer = {
    kind: 'IstioFederation',
    name: 'b',
    clusterUUID: 'uuid-b',
    trustDomain: 'b.example',
    clusterDomain: 'b.example',
    roots: [randomBytes(Math.ceil((rootBytes * 3) / 4)).toString('base64')],
    keys: [],
    signed: true,
    crls: [],
    scopes: ['private-federation'],
    legacyAPITokens: false,
  };
  return { version: 1, peers: [peer] };
}

describe('Secret isthmus-trust', () => {
  it.each([
    ['small, as plain text that every version reads', 1_000, 'trust.json', true],
    ['large, compressed', 1_100_000, 'trust.json.gz', true],
    ['too large for a Secret', 1_500_000, 'trust.json.gz', false],
  ])('%s: says the same when read', (_what, bytes, key, fits) => {
    const given = registry(bytes);
    const data = trustSecretData(given);
    expect(Object.keys(data)).toEqual([key]);
    expect(trustRegistryIn(data)).toEqual(given);
    expect(fitsTrustSecret(given)).toBe(fits);
    if (fits) expect(Buffer.from(data[key] ?? '', 'base64').length).toBeLessThan(1024 * 1024);
  });

  it('holds no registry while it is empty, and tells what is none', () => {
    expect(trustRegistryIn(undefined)).toBeUndefined();
    expect(trustRegistryIn({})).toBeUndefined();
    const plain = Buffer.from(formatTrustRegistry(registry(10))).toString('base64');
    for (const data of [{ 'trust.json': 'e30=' }, { 'trust.json.gz': 'AAAA' }, { 'trust.json.gz': plain }])
      expect(() => trustRegistryIn(data)).toThrow();
  });
});
