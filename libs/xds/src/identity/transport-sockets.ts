import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type { TransportSocketSchema } from '#proto-gen/envoy/config/core/v3/base_pb';
import { RawBufferSchema } from '#proto-gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb';
import {
  type CommonTlsContext_CombinedCertificateValidationContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_pb';
import {
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/common_pb';
import { sortedUnique } from '#model';
import type { Init } from '../envoy/init.js';
import { fromAds, workloadCertificate } from '../envoy/config.js';
import { exact, prefix, type StringMatch } from '../envoy/string-match.js';
import { names } from '../resource-names.js';
import { alpn } from './alpn.js';

type TransportSocket = Init<typeof TransportSocketSchema>;
type ValidationContext = Init<typeof CommonTlsContext_CombinedCertificateValidationContextSchema>;

const tlsSocketName = 'envoy.transport_sockets.tls';

const serverCiphers = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
];

/** Identities a server may present: exact URI SANs or prefixes of them. Never both empty (trust rule 8). */
export interface ExpectedIdentities {
  readonly exact: readonly string[];
  readonly prefixes: readonly string[];
}

/** The SPIFFE bundles of a secret of ours, narrowed by URI SAN matchers. */
function validation(secret: string, matchers: readonly StringMatch[]): ValidationContext {
  return {
    defaultValidationContext: {
      matchTypedSubjectAltNames: matchers.map((matcher) => ({ sanType: SubjectAltNameMatcher_SanType.URI, matcher })),
    },
    validationContextSdsSecretConfig: { name: secret, sdsConfig: fromAds() },
  };
}

/** Client side of mesh mutual TLS. Throws when no identity is expected: the validator alone accepts every trusted domain. */
export function meshClientTls(sni: string, offered: readonly string[], expected: ExpectedIdentities): TransportSocket {
  if (expected.exact.length + expected.prefixes.length === 0) {
    throw new Error(`cluster with SNI ${sni}: no expected identity; give subjectAltNames or a prefix`);
  }
  const matchers = [...sortedUnique(expected.exact).map(exact), ...sortedUnique(expected.prefixes).map(prefix)];
  const context = create(UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
        tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
      },
      alpnProtocols: [...offered],
      tlsCertificateSdsSecretConfigs: [workloadCertificate()],
      validationContextType: { case: 'combinedValidationContext', value: validation(names.trustSecret, matchers) },
    },
  });
  return tlsSocket(packed(UpstreamTlsContextSchema, context));
}

/** TLS to a server outside the mesh, checked against a CA file of the proxy (DestinationRule SIMPLE). */
export function simpleClientTls(tls: {
  sni: string;
  caFile: string;
  subjectAltNames: readonly string[];
}): TransportSocket {
  const accepted = sortedUnique(tls.subjectAltNames.length > 0 ? tls.subjectAltNames : [tls.sni]);
  const context = create(UpstreamTlsContextSchema, {
    sni: tls.sni,
    commonTlsContext: {
      validationContextType: {
        case: 'validationContext',
        value: {
          trustedCa: { specifier: { case: 'filename', value: tls.caFile } },
          matchTypedSubjectAltNames: accepted.map((name) => ({
            sanType: SubjectAltNameMatcher_SanType.DNS,
            matcher: exact(name),
          })),
        },
      },
    },
  });
  return tlsSocket(packed(UpstreamTlsContextSchema, context));
}

/** Server side of mesh mutual TLS: a certificate is demanded, and the bundle that the secret has for its trust domain must vouch for it. */
export function meshServerTls(secret: string): TransportSocket {
  const context = create(DownstreamTlsContextSchema, {
    requireClientCertificate: true,
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
        tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
        cipherSuites: serverCiphers,
      },
      alpnProtocols: [...alpn.server],
      tlsCertificateSdsSecretConfigs: [workloadCertificate()],
      validationContextType: { case: 'combinedValidationContext', value: validation(secret, []) },
    },
  });
  return tlsSocket(packed(DownstreamTlsContextSchema, context));
}

/** No TLS. */
export function rawBuffer(): TransportSocket {
  return {
    name: 'envoy.transport_sockets.raw_buffer',
    configType: { case: 'typedConfig', value: packed(RawBufferSchema, create(RawBufferSchema)) },
  };
}

function tlsSocket(typedConfig: ReturnType<typeof packed>): TransportSocket {
  return { name: tlsSocketName, configType: { case: 'typedConfig', value: typedConfig } };
}
