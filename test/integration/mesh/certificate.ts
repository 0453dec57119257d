import { generateKeyPairSync } from 'node:crypto';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { SecretSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/secret_pb';
import type { IstioCertificateResponse } from '#proto-gen/istio/v1/auth/ca_pb';
import { IstioCertificateRequestSchema } from '#proto-gen/istio/v1/auth/ca_pb';
import { buildCsr } from '#trust';
import { certificateServiceDefinition } from '../../../apps/mesh/src/discovery/methods.js';

export interface IssuedCertificate {
  readonly key: string;
  /** As the service answered: leaf, intermediates, last the roots. */
  readonly chain: readonly string[];
}

export interface CertificateRequest {
  readonly port: number;
  readonly ca: string;
  readonly token: string | undefined;
  readonly ttlSeconds?: number;
  readonly csr?: string;
}

/** Asks the mesh core for a workload certificate as an agent does. Rejects with the call's status. */
export function requestCertificate(request: CertificateRequest): Promise<IssuedCertificate> {
  const { port, ca, token, ttlSeconds = 3600 } = request;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const csr = request.csr ?? buildCsr(privateKey);
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(ca)), {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
  });
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.CreateCertificate;
  const message = create(IstioCertificateRequestSchema, { csr, validityDuration: BigInt(ttlSeconds) });
  return new Promise((resolve, reject) => {
    const answered = (error: ServiceError | null, response?: IstioCertificateResponse): void => {
      client.close();
      if (error !== null) reject(error);
      else {
        const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
        resolve({ key, chain: response?.certChain ?? [] });
      }
    };
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, {}, answered);
  });
}

/** The agent's own secret, from a certificate that the mesh core issued. */
export function workloadSecret({ key, chain }: IssuedCertificate): Resource {
  const certificate = chain.slice(0, -1).join('');
  return toResource(
    SecretSchema,
    create(SecretSchema, {
      name: 'default',
      type: {
        case: 'tlsCertificate',
        value: {
          certificateChain: { specifier: { case: 'inlineString', value: certificate } },
          privateKey: { specifier: { case: 'inlineString', value: key } },
        },
      },
    }),
    'default',
  );
}
