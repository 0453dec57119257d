import { readFile } from 'node:fs/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '#proto-gen/istio/v1/auth/ca_pb';
import type { IstioCertificateResponse } from '#proto-gen/istio/v1/auth/ca_pb';

const method = '/istio.v1.auth.IstioCertificateService/CreateCertificate';

export interface CertificateClientSettings {
  /** `host:port` of the workload CA; the host is also the name its certificate must carry. */
  readonly address: string;
  /** File with this pod's token for audience `istio-ca`, read at each call since the kubelet renews it. */
  readonly tokenFile: string;
}

/** Certificate chain for a CSR: leaf first, then intermediates; `roots` is the last element as it came (one or more PEM certificates). */
export interface SignedChain {
  readonly chain: readonly string[];
  readonly roots: string;
}

/**
 * Asks the workload CA (ours, a plugged-in one behind it, or a stock istiod) to certify a CSR, as any workload does
 * (IstioCertificateService of istio.io/api security/v1alpha1/ca.proto). Throws when the CA cannot be reached or refuses.
 */
export async function certify(
  settings: CertificateClientSettings,
  order: { readonly csrPem: string; readonly ttlSeconds: number; readonly roots: string },
): Promise<SignedChain> {
  const token = await readFile(settings.tokenFile, 'utf8');
  const client = new Client(settings.address, credentials.createSsl(Buffer.from(order.roots)));
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token.trim()}`);
  const request = create(IstioCertificateRequestSchema, {
    csr: order.csrPem,
    validityDuration: BigInt(order.ttlSeconds),
  });
  try {
    const response = await new Promise<IstioCertificateResponse>((done, fail) => {
      client.makeUnaryRequest(
        method,
        (value: typeof request) => Buffer.from(toBinary(IstioCertificateRequestSchema, value)),
        (bytes: Buffer) => fromBinary(IstioCertificateResponseSchema, bytes),
        request,
        metadata,
        { deadline: new Date(Date.now() + 10_000) },
        (error, value) =>
          value === undefined ? fail(error ?? new Error('the workload CA answered nothing')) : done(value),
      );
    });
    const roots = response.certChain.at(-1);
    if (roots === undefined || response.certChain.length < 2)
      throw new Error(`workload CA at ${settings.address}: the answer holds no chain`);
    return { chain: response.certChain.slice(0, -1), roots };
  } finally {
    client.close();
  }
}
