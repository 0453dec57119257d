import { forbidden, malformed } from './refused.js';
import type { Refused } from './refused.js';
import { valuesOf } from './request-head.js';
import type { HeaderField, RequestHead } from './request-head.js';

const mostHeaders = 64;
export const longestReviewBytes = 64 * 1024;

type Rule = (head: RequestHead) => Refused | undefined;

/** What must hold of any request before its target is looked at; the first rule that is broken answers. */
const rules: readonly Rule[] = [
  versionIsKnown,
  headersAreFew,
  hostIsOne,
  authorizationIsOne,
  methodIsItself,
  isNoUpgrade,
  nobodyElseIsNamed,
  methodReads,
  bodyIsClear,
];

/** Judges what surrounds the target: version, host, credential headers, body, and headers that would change the request's meaning. */
export function framingFault(head: RequestHead): Refused | undefined {
  for (const rule of rules) {
    const refused = rule(head);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function versionIsKnown({ httpVersion }: RequestHead): Refused | undefined {
  return httpVersion === '1.1' || httpVersion === '2.0'
    ? undefined
    : malformed('http-version', 'speak HTTP/1.1 or HTTP/2');
}

function headersAreFew({ headers }: RequestHead): Refused | undefined {
  if (headers.length <= mostHeaders) return undefined;
  return { ok: false, status: 431, reason: 'headers', message: `more than ${mostHeaders} headers` };
}

/** Two hosts, or none, are read differently by different programs. */
function hostIsOne({ httpVersion, headers }: RequestHead): Refused | undefined {
  const hosts = valuesOf(headers, 'host');
  const authorities = valuesOf(headers, ':authority');
  const named = httpVersion === '2.0' ? authorities : hosts;
  const [host = ''] = named;
  const agree = hosts.every((other) => other === host) && hosts.length <= 1;
  if (named.length === 1 && agree && /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host))
    return undefined;
  return malformed('host', 'name one host, once');
}

function authorizationIsOne({ headers }: RequestHead): Refused | undefined {
  return valuesOf(headers, 'authorization').length <= 1
    ? undefined
    : malformed('two-credentials', 'send the header Authorization once');
}

function methodIsItself({ headers }: RequestHead): Refused | undefined {
  const override = headers.some(([name]) => /^x-(?:http-)?method(?:-override)?$/.test(name));
  return override ? forbidden('method-override', 'methods cannot be overridden') : undefined;
}

function methodReads({ method }: RequestHead): Refused | undefined {
  return method === 'GET' || method === 'POST' ? undefined : readOnly(method);
}

export function readOnly(method: string): Refused {
  return forbidden('read-only', `${method} is not allowed: this API is read-only`);
}

function isNoUpgrade({ headers }: RequestHead): Refused | undefined {
  const upgrade = headers.some(
    ([name, value]) =>
      name === 'upgrade' || name === ':protocol' || name.startsWith('sec-websocket-') || asksForUpgrade(name, value),
  );
  return upgrade ? forbidden('upgrade', 'connections are not upgraded here') : undefined;
}

function asksForUpgrade(name: string, value: string): boolean {
  return name === 'connection' && /(?:^|[\s,])upgrade(?:$|[\s,])/i.test(value);
}

/** Whoever asks is who the token says; a wish to be somebody else is refused rather than ignored. */
function nobodyElseIsNamed({ headers }: RequestHead): Refused | undefined {
  const named = headers.some(([name]) => name.startsWith('impersonate-') || name.startsWith('x-remote-'));
  return named ? forbidden('impersonation', 'peers cannot act as somebody else') : undefined;
}

function bodyIsClear(head: RequestHead): Refused | undefined {
  const { method, headers, endsWithHeaders } = head;
  const has = (name: string): boolean => headers.some(([found]) => found === name);
  if (has('transfer-encoding') || has('trailer') || has('expect')) {
    return malformed('body-framing', 'transfer codings, trailers and expectations are not taken');
  }
  const length = lengthOf(headers);
  if (length === undefined) return malformed('content-length', 'Content-Length must be one number');
  if (method === 'POST') return reviewBodyFault(length, has('content-length'));
  return length > 0 || endsWithHeaders === false ? malformed('body', `${method} takes no body`) : undefined;
}

function reviewBodyFault(length: number, stated: boolean): Refused | undefined {
  if (!stated) return malformed('content-length', 'Content-Length is missing');
  if (length <= longestReviewBytes) return undefined;
  return {
    ok: false,
    status: 413,
    reason: 'body-too-large',
    message: `the body is larger than ${longestReviewBytes} bytes`,
  };
}

function lengthOf(headers: readonly HeaderField[]): number | undefined {
  const [value = '0', second] = valuesOf(headers, 'content-length');
  return second === undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
