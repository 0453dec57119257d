import { create } from '@bufbuild/protobuf';
import { packed, type Resource, toResource } from '#proto';
import { SecretSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/secret_pb';
import { SPIFFECertValidatorConfigSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb';
import { compareText, sortedUnique } from '#model';
import type { MeshModel } from '../mesh-model.js';
import { names } from '../resource-names.js';

/** Certificates that may vouch for the identities of one trust domain. */
export interface Bundle {
  readonly trustDomain: string;
  readonly pem: string;
}

/**
 * One bundle per trust domain: a root vouches for its own trust domain only (trust rule 8). CRLs stand inside the bundle, since the
 * validator ignores its `crl` field; they make Envoy check the whole chain, so the model holds complete sets only (rule 12).
 */
export function trustBundles(model: Pick<MeshModel, 'cluster' | 'trust'>): readonly Bundle[] {
  const own = { trustDomain: model.cluster.trustDomain, roots: model.trust.roots, crls: model.trust.crls ?? [] };
  const parts = new Map<string, { roots: string[]; crls: string[] }>();
  for (const peer of [own, ...model.trust.peers]) {
    const part = parts.get(peer.trustDomain) ?? { roots: [], crls: [] };
    part.roots.push(...peer.roots.map(trimmed));
    part.crls.push(...peer.crls.map(trimmed));
    parts.set(peer.trustDomain, part);
  }
  return [...parts]
    .filter(([, { roots }]) => roots.length > 0)
    .sort(([a], [b]) => compareText(a, b))
    .map(([trustDomain, { roots, crls }]) => ({
      trustDomain,
      pem: [...sortedUnique(roots), ...sortedUnique(crls)].join('\n') + '\n',
    }));
}

/** A validation secret, as mesh TLS contexts refer to it by name. */
export function trustSecretFor(bundles: readonly Bundle[], name: string = names.trustSecret): Resource {
  const validator = create(SPIFFECertValidatorConfigSchema, {
    trustDomains: bundles.map(({ trustDomain, pem }) => ({
      name: trustDomain,
      trustBundle: { specifier: { case: 'inlineString' as const, value: pem } },
    })),
  });
  const secret = create(SecretSchema, {
    name,
    type: {
      case: 'validationContext',
      value: {
        customValidatorConfig: {
          name: 'envoy.tls.cert_validator.spiffe',
          typedConfig: packed(SPIFFECertValidatorConfigSchema, validator),
        },
      },
    },
  });
  return toResource(SecretSchema, secret, name);
}

function trimmed(pem: string): string {
  return pem.trim();
}
