import { isFields, parsedJson } from '#model';

/** Request that failed, as far as it may be told: never headers, never bodies. */
export interface FailedRequest {
  readonly method: string;
  readonly path: string;
}

/** The API server's answer outside 2xx; `status` is the HTTP code, `reason` the Status object's word. */
export class KubeApiError extends Error {
  override readonly name: string = 'KubeApiError';
  /** Method and path alone, whatever the caller gave: errors are logged with all their fields, and bodies hold private keys. */
  readonly request: FailedRequest;

  /** `said` = the server's own words; what the message adds is a remedy for our own cluster. */
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly said: string,
    { method, path }: FailedRequest,
    readonly retryAfterSeconds?: number,
  ) {
    super(`${method} ${path}: ${status} ${reason}: ${said}${remedyFor(status)}`);
    this.request = { method, path };
  }
}

/** 404: the object or the whole resource (a CRD that is not installed) is absent. */
export class NotFoundError extends KubeApiError {
  override readonly name = 'NotFoundError';
}

/** 409: somebody else changed or created the object, or owns the field. Read again, decide again. */
export class ConflictError extends KubeApiError {
  override readonly name = 'ConflictError';

  /** True when a create met an object that exists. */
  get alreadyExists(): boolean {
    return this.reason === 'AlreadyExists';
  }
}

/** 403: RBAC of our service account lacks a verb; the message says which and what to change. */
export class ForbiddenError extends KubeApiError {
  override readonly name = 'ForbiddenError';
}

/** 401: our credential is refused, also after it was read again. */
export class UnauthorizedError extends KubeApiError {
  override readonly name = 'UnauthorizedError';
}

/** 410, or a watch's ERROR event with that code: the resourceVersion is too old, list anew. */
export class GoneError extends KubeApiError {
  override readonly name = 'GoneError';
}

/** 400 or 422: the object breaks its schema or a CEL rule. */
export class InvalidError extends KubeApiError {
  override readonly name = 'InvalidError';
}

/** No answer at all: connection refused, cut or timed out. The API server may or may not have acted. */
export class KubeUnreachableError extends Error {
  override readonly name = 'KubeUnreachableError';

  constructor(server: string, request: FailedRequest, cause: unknown) {
    const why = cause instanceof Error ? causeText(cause) : String(cause);
    super(`${request.method} ${request.path}: the API server ${server} does not answer: ${why}`, { cause });
  }
}

function causeText(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code} ` : '';
  return `${code}${error.message}`;
}

/** An answer that is not what the API was asked for; nothing of it is shown, for it may be a Secret cut off. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError';

  constructor({ method, path }: FailedRequest, wanted: string) {
    super(`${method} ${path}: the answer is not ${wanted}; is this an API server, and was the answer cut off?`);
  }
}

/** A longer message or reason of a Status is cut: it goes into logs and conditions. */
const longestMessage = 4_096;
const longestReason = 100;

const kinds: Readonly<Record<number, typeof KubeApiError>> = {
  400: InvalidError,
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  410: GoneError,
  422: InvalidError,
};

/** Maps an HTTP answer with a Status body (or any text) to one of our errors. */
export function kubeErrorFrom(status: number, body: string, request: FailedRequest): KubeApiError {
  const answer = parsedJson(body);
  const { reason, message, details } = isFields(answer) ? answer : {};
  // JSON that is no Status may be anything, an object asked for included; a proxy's page is told by its beginning.
  const instead = answer === undefined ? body.slice(0, 200) : 'the answer is no Status';
  const Kind = kinds[status] ?? KubeApiError;
  const retryAfter = isFields(details) ? details['retryAfterSeconds'] : undefined;
  return new Kind(
    status,
    typeof reason === 'string' && reason !== '' ? reason.slice(0, longestReason) : `HTTP${status}`,
    typeof message === 'string' ? message.slice(0, longestMessage) : instead,
    request,
    typeof retryAfter === 'number' ? retryAfter : undefined,
  );
}

/** The JSON object that a body is. @throws MalformedAnswerError */
export function objectFrom<T extends object>(body: string, request: FailedRequest): T {
  const value = parsedJson(body);
  if (!isFields(value)) throw new MalformedAnswerError(request, 'a JSON object');
  return value as T;
}

function remedyFor(status: number): string {
  if (status === 403) {
    return ' (remedy: grant this verb on this resource to the service account, or install the chart with its RBAC objects)';
  }
  return status === 401 ? ' (remedy: check the service account token or the kubeconfig credential)' : '';
}
