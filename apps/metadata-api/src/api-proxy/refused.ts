/** Why a request goes no further: status of the answer, a word for metrics and the audit log, a sentence for the caller. */
export interface Refused {
  readonly ok: false;
  readonly status: 400 | 403 | 413 | 431;
  readonly reason: string;
  readonly message: string;
}

export function malformed(reason: string, message: string): Refused {
  return { ok: false, status: 400, reason, message };
}

export function forbidden(reason: string, message: string): Refused {
  return { ok: false, status: 403, reason, message };
}
