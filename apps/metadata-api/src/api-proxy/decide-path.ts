import { forbidden, malformed } from './refused.js';
import type { Refused } from './refused.js';

const longestPath = 2_048;
const longestSegment = 253;

/** What a path of the Kubernetes API names. */
export type NamedByPath =
  | { readonly kind: 'document'; readonly group?: string }
  | {
      readonly kind: 'resource';
      readonly group: string;
      readonly version: string;
      readonly namespace?: string;
      readonly resource: string;
      readonly name?: string;
    };

/**
 * Reads a path that is already in its one canonical form, and refuses every other spelling: what is not decoded, collapsed or folded
 * here cannot be read in another way by whoever comes after. Names that the API server takes need none of the letters left out.
 */
export function readPath(path: string): NamedByPath | Refused {
  if (!path.startsWith('/')) return malformed('target-form', 'send the path alone, beginning with "/"');
  if (path.length > longestPath) return malformed('path-too-long', `the path is longer than ${longestPath} characters`);
  const segments = path.slice(1).split('/');
  if (!segments.every(isCanonical)) {
    return malformed(
      'path-form',
      'the path is not in its canonical form: lower-case names, no escapes, dots or blanks',
    );
  }
  const [root, ...rest] = segments;
  if (root === 'version' && rest.length === 0) return { kind: 'document' };
  if (root === 'api') return readCore(rest);
  if (root === 'apis') return readGroup(rest);
  return forbidden('path', 'this path is not open to peers');
}

function isCanonical(segment: string): boolean {
  return (
    segment.length <= longestSegment && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(segment) && !segment.includes('..')
  );
}

function readCore([version, ...rest]: readonly string[]): NamedByPath | Refused {
  if (version === undefined) return { kind: 'document' };
  if (version !== 'v1') return forbidden('path', 'the core group has the version v1 only');
  return rest.length === 0 ? { kind: 'document' } : readResource({ group: '', version }, rest);
}

function readGroup([group, version, ...rest]: readonly string[]): NamedByPath | Refused {
  if (group === undefined) return { kind: 'document' };
  if (version === undefined) return { kind: 'document', group };
  if (!/^v\d+(?:(?:alpha|beta)\d+)?$/.test(version))
    return forbidden('path', 'no version of a group is named like that');
  return rest.length === 0 ? { kind: 'document', group } : readResource({ group, version }, rest);
}

type Versioned = { readonly group: string; readonly version: string };

function readResource(versioned: Versioned, parts: readonly string[]): NamedByPath | Refused {
  const [first, second, third, fourth, ...more] = parts;
  if (first === 'watch' || first === 'proxy') return forbidden('legacy-path', 'use the query parameter watch');
  // `namespaces/x/pods/y` is a Pod; `namespaces/x` of the core group is the Namespace itself.
  if (first === 'namespaces' && second !== undefined && third !== undefined) {
    if (more.length > 0) return subresource();
    return { kind: 'resource', ...versioned, namespace: second, resource: third, ...named(fourth) };
  }
  if (first === undefined || third !== undefined) return subresource();
  return { kind: 'resource', ...versioned, resource: first, ...named(second) };
}

function named(name: string | undefined): { readonly name?: string } {
  return name === undefined ? {} : { name };
}

function subresource(): Refused {
  return forbidden('subresource', 'subresources are not open to peers');
}
