/** True when `pattern` is the host, or `*.` and a suffix of it. */
export function hostMatches(pattern: string, host: string): boolean {
  return pattern.startsWith('*.')
    ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1
    : pattern === host;
}

/** No list admits every host; an empty list admits none. */
export function hostAdmitted(patterns: readonly string[] | undefined, host: string): boolean {
  return patterns === undefined || patterns.some((pattern) => hostMatches(pattern, host));
}
