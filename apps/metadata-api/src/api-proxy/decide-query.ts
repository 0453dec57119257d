import { malformed } from './refused.js';
import type { Refused } from './refused.js';

const longestQuery = 8_192;

/** Decoded parameters, each at most once, in the order of arrival. */
export type Query = ReadonlyMap<string, string>;

type Check = (value: string) => boolean;

const matches =
  (pattern: RegExp): Check =>
  (value) =>
    pattern.test(value);
const flag = matches(/^(?:true|false|1|0)$/);
const number = matches(/^\d{1,9}$/);
const selector: Check = (value) => value.length <= 4_096 && /^[\x20-\x7e]*$/.test(value);

/** Every parameter that is passed on, and what its value must look like. */
const known: Readonly<Record<string, Check>> = {
  allowWatchBookmarks: flag,
  continue: matches(/^[\w.~+/=-]{0,4096}$/),
  fieldSelector: selector,
  includeObject: matches(/^(?:None|Metadata|Object)$/),
  labelSelector: selector,
  limit: number,
  pretty: flag,
  resourceVersion: matches(/^\d{0,20}$/),
  resourceVersionMatch: matches(/^(?:Exact|NotOlderThan)?$/),
  sendInitialEvents: flag,
  timeout: matches(/^(?:\d{1,3}m)?\d{1,5}(?:\.\d{1,3})?m?s$/),
  timeoutSeconds: number,
  watch: flag,
};

const ofOneObject = new Set(['includeObject', 'pretty', 'resourceVersion', 'timeout']);
const ofDocument = new Set(['pretty', 'timeout']);
const credentials = new Set(['access_token', 'accesstoken', 'authorization', 'bearer', 'id_token', 'jwt', 'token']);

/** Reads a query of known parameters, each once and well formed; all else is refused, since readers differ over it. */
export function readQuery(text: string | undefined): { readonly ok: true; readonly query: Query } | Refused {
  const query = new Map<string, string>();
  if (text === undefined || text === '') return { ok: true, query };
  if (text.length > longestQuery)
    return malformed('query-too-long', `the query is longer than ${longestQuery} characters`);
  if (!/^[\x21-\x7e]+$/.test(text) || /[#;\\]/.test(text))
    return malformed('query-form', 'the query holds a letter that must be escaped');
  for (const pair of text.split('&')) {
    const refused = readParameter(pair, query);
    if (refused !== undefined) return refused;
  }
  return { ok: true, query };
}

/** Adds one `name=value` to the query, or says what is wrong with it. */
function readParameter(pair: string, query: Map<string, string>): Refused | undefined {
  const cut = pair.indexOf('=');
  const name = cut === -1 ? pair : pair.slice(0, cut);
  if (credentials.has(name.toLowerCase()))
    return malformed('token-in-query', 'tokens belong into the header Authorization');
  const check = Object.hasOwn(known, name) ? known[name] : undefined;
  if (check === undefined) return malformed('query-parameter', 'the query holds a parameter that is not known here');
  if (query.has(name)) return malformed('query-twice', `the parameter ${name} stands twice in the query`);
  const value = cut === -1 ? undefined : decode(pair.slice(cut + 1));
  if (value === undefined || !check(value))
    return malformed('query-value', `the value of ${name} is not one that it can have`);
  query.set(name, value);
  return undefined;
}

/** Parameters that make no sense for what is asked: one object, or a document. */
export function misplaced(query: Query, asked: 'object' | 'document' | 'collection'): Refused | undefined {
  if (asked === 'collection') return undefined;
  const allowed = asked === 'object' ? ofOneObject : ofDocument;
  const wrong = [...query.keys()].find((name) => !allowed.has(name));
  return wrong === undefined
    ? undefined
    : malformed('query-misplaced', `the parameter ${wrong} belongs to lists and watches`);
}

export function isSet(query: Query, name: string): boolean {
  const value = query.get(name);
  return value === 'true' || value === '1';
}

function decode(value: string): string | undefined {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The query as it is passed on: decoded once, encoded once. */
export function queryText(query: Query): string {
  if (query.size === 0) return '';
  return `?${[...query].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
}
