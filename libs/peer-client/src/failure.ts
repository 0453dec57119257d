import { failed } from './outcome.js';
import type { FetchFailure } from './outcome.js';

/** TLS verification errors of Node and OpenSSL by code; everything else that breaks a connection counts as unreachable. */
const tlsCodes = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
]);

/** Turns a thrown connection error into a finding with the remedy an operator can act on. */
export function failureFrom(error: unknown, url: string): FetchFailure {
  const { code, message } = describe(error);
  if (code !== undefined && tlsCodes.has(code)) {
    return failed(
      'TLSVerifyFailed',
      `${url}: the certificate could not be verified (${code}). Put the CA that issued it into spec.metadata.ca, or correct the host in spec.metadataEndpoint.`,
    );
  }
  return failed(
    'Unreachable',
    `${url}: ${message}. Check that spec.metadataEndpoint is right and reachable from this cluster.`,
  );
}

/** Turns an HTTP status other than 200 and 304 into a finding. */
export function failureOfStatus(status: number, url: string): FetchFailure {
  if (status === 401 || status === 403) {
    return failed(
      'TokenRejected',
      `${url}: the peer answered ${status}. It does not (or no longer) trust this cluster's key: check its resource for this cluster and both clocks.`,
      status,
    );
  }
  if (status === 429) return failed('RateLimited', `${url}: the peer asks for fewer requests (429).`, status);
  if (status >= 300 && status < 400) {
    return failed(
      'Unreachable',
      `${url}: the peer redirects (${status}), which is never followed. Put the final address into spec.metadataEndpoint.`,
      status,
    );
  }
  const remedy =
    status >= 500
      ? 'Its metadata API or what stands in front of it fails: see there; it is asked again.'
      : 'Check host and path of spec.metadataEndpoint: no metadata API of this protocol answers there.';
  return failed('Unreachable', `${url}: the peer answered ${status}. ${remedy}`, status);
}

/** Reads an error by its shape: errors from another realm (a worker, a test sandbox) are no `instanceof Error`. */
function describe(error: unknown): { readonly code?: string; readonly message: string } {
  if (!isErrorLike(error)) return { message: String(error) };
  const inner = isErrorLike(error.cause) ? error.cause : error;
  const code = typeof inner.code === 'string' ? inner.code : undefined;
  const message = inner.message === '' ? (code ?? 'the connection failed') : inner.message;
  return code === undefined ? { message } : { code, message };
}

function isErrorLike(
  value: unknown,
): value is { readonly message: string; readonly code?: unknown; readonly cause?: unknown } {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}
