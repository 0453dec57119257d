import type { StringMatcherSchema } from '#proto-gen/envoy/type/matcher/v3/string_pb';
import type { Init } from './init.js';

export type StringMatch = Init<typeof StringMatcherSchema>;

export const exact = (value: string): StringMatch => ({ matchPattern: { case: 'exact', value } });
export const prefix = (value: string): StringMatch => ({ matchPattern: { case: 'prefix', value } });
export const suffix = (value: string): StringMatch => ({ matchPattern: { case: 'suffix', value } });
export const regex = (value: string): StringMatch => ({ matchPattern: { case: 'safeRegex', value: { regex: value } } });

/** Istio's wildcard notation: `*` anything non-empty, `*x` suffix, `x*` prefix, else exact. */
export function wildcard(value: string, head = ''): StringMatch {
  if (value === '*') return regex('.+');
  if (value.startsWith('*')) return suffix(value.slice(1));
  if (value.endsWith('*')) return prefix(head + value.slice(0, -1));
  return exact(head + value);
}

/** Escapes a text for use inside a regular expression (RE2). */
export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
