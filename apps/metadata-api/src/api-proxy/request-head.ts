/** One header as it came: name in lower case, in the order of arrival, repeated ones apart. */
export type HeaderField = readonly [name: string, value: string];

/** All that is judged of a request: nothing of it was joined, decoded or left out. */
export interface RequestHead {
  readonly httpVersion: string;
  readonly method: string;
  /** Request target as sent; `:path` of HTTP/2. */
  readonly target: string;
  readonly headers: readonly HeaderField[];
  /** HTTP/2: nothing follows the headers. HTTP/1 says that by its headers. */
  readonly endsWithHeaders?: boolean;
}

/** Every value of a header. */
export function valuesOf(headers: readonly HeaderField[], name: string): readonly string[] {
  return headers.flatMap(([found, value]) => (found === name ? [value] : []));
}

/** Path of a target, for the audit log: the query is the caller's to fill. */
export function pathOf(target: string): string {
  return target.split(/[?#]/, 1)[0] ?? '';
}
