import { describe, expect, it } from '@jest/globals';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { SecretSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/secret_pb';
import { SPIFFECertValidatorConfigSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb';
import { decoded } from '../consistency.js';
import { model, ownDomain, peerDomain, root } from '../model.fixture.js';
import { meshClientTls } from './transport-sockets.js';
import { trustBundles, trustSecretFor } from './trust-secret.js';

const bundlesOf = (peers: typeof model.trust.peers): ReturnType<typeof trustBundles> =>
  trustBundles({ ...model, trust: { roots: [root('own')], peers } });

describe('trustBundles', () => {
  it('keeps every root with its own trust domain', () => {
    expect(bundlesOf([{ trustDomain: peerDomain, roots: [root('p')], crls: ['crl'] }])).toEqual([
      { trustDomain: ownDomain, pem: `${root('own')}\n` },
      { trustDomain: peerDomain, pem: `${root('p')}\ncrl\n` },
    ]);
  });
  it('unites peers that share a trust domain, each root once', () => {
    const peer = (pem: string): (typeof model.trust.peers)[number] => ({
      trustDomain: peerDomain,
      roots: [pem, root('z')],
      crls: [],
    });
    const shared = bundlesOf([peer(root('b')), peer(root('a'))]).find(({ trustDomain }) => trustDomain === peerDomain);
    expect(shared?.pem).toBe([root('a'), root('b'), root('z'), ''].join('\n'));
  });
  it('has no bundle without a root, which Envoy would refuse', () => {
    expect(bundlesOf([{ trustDomain: 'x', roots: [], crls: [] }])).toHaveLength(1);
  });
});

describe('trustSecretFor', () => {
  it('is a SPIFFE validator', () => {
    const secret = decoded(SecretSchema, trustSecretFor(bundlesOf([])));
    const context = secret.type.case === 'validationContext' ? secret.type.value : undefined;
    const config = context?.customValidatorConfig?.typedConfig;
    expect(config && anyUnpack(config, SPIFFECertValidatorConfigSchema)?.trustDomains.map(({ name }) => name)).toEqual([
      ownDomain,
    ]);
  });
});

describe('meshClientTls', () => {
  it('is never made without an expected identity', () => {
    expect(() => meshClientTls('sni', ['istio'], { exact: [], prefixes: [] })).toThrow('no expected identity');
  });
});
