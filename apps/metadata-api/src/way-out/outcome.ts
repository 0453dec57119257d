import type { Failure } from '../api-proxy/status-object.js';
import { isRedirect, isTimeout } from '../api-proxy/forward.js';
import type { ForwardWords } from '../api-proxy/forward.js';

/** A failure with the contract's word for it. */
export interface PeerFailure extends Failure {
  readonly reason: string;
}

const contentTypes = /^application\/(?:[a-z0-9.+-]*json|vnd\.kubernetes\.protobuf|yaml|apply-patch\+yaml)(?:;|$)/i;
const certificateFaults = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|ERR_SSL|EPROTO/;

type Answered = Exclude<Parameters<ForwardWords['failureOf']>[0], Error>;

/** What an error, or an answer that no API server gives, says about a peer; undefined = an answer to pass on. Pure. */
export function failureOf(apiHost: string, what: Answered | Error): PeerFailure | undefined {
  return what instanceof Error ? failureOfError(apiHost, what) : failureOfAnswer(apiHost, what);
}

/** Likewise of the question for its version, which an API server answers everybody whom it knows. Pure. */
export function failureOfProbe(apiHost: string, what: Answered | Error): PeerFailure | undefined {
  const failure = failureOf(apiHost, what);
  if (failure !== undefined || what instanceof Error || what.status !== 403) return failure;
  return { status: 403, reason: 'Forbidden', message: forbiddenTo(apiHost, 'get /version') };
}

/** Words for a right that the peer does not give us. */
export function forbiddenTo(apiHost: string, what: string): string {
  return `Forbidden: ${apiHost}: the peer takes our token and forbids us to ${what}: see its IstioMulticluster for us (annotation isthmus.dev/default-reader) and its role bindings`;
}

function failureOfError(apiHost: string, error: Error & { readonly code?: string }): PeerFailure {
  const failed = (status: number, reason: string, message: string): PeerFailure => ({
    status,
    reason,
    message: `${reason}: ${apiHost}: ${message}`,
    retryAfterSeconds: 5,
  });
  if (error.name === 'AddressRefusedError') return failed(502, 'AddressRefused', error.message);
  if (error.name === 'NoKeyError') return failed(503, 'TokenRejected', error.message);
  if (isTimeout(error) || error.name === 'ConnectTimeoutError')
    return failed(504, 'Unreachable', 'the peer’s API server did not answer in time');
  if (certificateFaults.test(error.code ?? ''))
    return failed(
      502,
      'TLSVerifyFailed',
      `${error.code}: its certificate is not what its tlsCA or spec.metadata.ca vouches for`,
    );
  return failed(503, 'Unreachable', error.code ?? error.message);
}

function failureOfAnswer(apiHost: string, { status, headers }: Answered): PeerFailure | undefined {
  const failed = (code: number, reason: string, message: string): PeerFailure => ({
    status: code,
    reason,
    message: `${reason}: ${apiHost}: ${message}`,
  });
  if (status === 401)
    return failed(
      502,
      'TokenRejected',
      'the peer does not take our token; has it an IstioMulticluster for this cluster?',
    );
  if (isRedirect(status))
    return failed(502, 'DocumentInvalid', `it answers with a redirect (${status}), which is not followed`);
  const type = headers['content-type'];
  const text = Array.isArray(type) ? (type[0] ?? '') : (type ?? '');
  if (status === 304 || contentTypes.test(text) || (status >= 400 && text.startsWith('text/plain'))) return undefined;
  return failed(
    502,
    'DocumentInvalid',
    `it answers with "${text.slice(0, 60)}", which no API server does; is apiHost right?`,
  );
}
