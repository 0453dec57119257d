import { framingFault, readOnly } from './decide-framing.js';
import { readPath } from './decide-path.js';
import type { NamedByPath } from './decide-path.js';
import { isSet, misplaced, readQuery } from './decide-query.js';
import type { Query } from './decide-query.js';
import { meshConfigName } from './own-answers.js';
import { isReadable, isReadableGroup, reviewResources } from './readable-resources.js';
import { forbidden } from './refused.js';
import type { Refused } from './refused.js';
import type { RequestHead } from './request-head.js';

/** A request that may go on. `no-secrets`, `mesh-config` = answered here (own-answers.ts); `review` = only for peers with `allowReviews`. */
export interface Allowed {
  readonly ok: true;
  readonly answer: 'forward' | 'review' | 'no-secrets' | 'mesh-config';
  readonly verb: 'get' | 'list' | 'watch' | 'create';
  /** `<resource>.<group>`, as kubectl names kinds; `discovery` for documents. */
  readonly resource: string;
  /** Canonical path: what was judged is what is asked of the API server. */
  readonly path: string;
  readonly query: Query;
}

export type Decision = Allowed | Refused;

/**
 * Decides what becomes of a request, before anything is forwarded and without knowing who asks. Everything that is not on the list of
 * readable things is refused: 400 where programs could differ over what is meant, 403 where it is clear and not allowed.
 */
export function decideRequest(head: RequestHead): Decision {
  const fault = framingFault(head);
  if (fault !== undefined) return fault;
  const { method, target } = head;
  const cut = target.indexOf('?');
  const path = cut === -1 ? target : target.slice(0, cut);
  const read = readQuery(cut === -1 ? undefined : target.slice(cut + 1));
  const named = readPath(path);
  if ('ok' in named) return named;
  // What a write asks for besides does not make it less of a write.
  const review = isReview(named);
  if (method === 'POST' && !review) return readOnly('POST');
  if (!read.ok) return read;
  const asked = { path, query: read.query };
  if (method === 'POST' && review) return decideReview(named, asked);
  return named.kind === 'document' ? decideDocument(named, asked) : decideResource(named, asked);
}

type Asked = Pick<Allowed, 'path' | 'query'>;

type Review = Extract<NamedByPath, { kind: 'resource' }>;

function isReview(named: NamedByPath): named is Review {
  if (named.kind !== 'resource') return false;
  const { group, version, namespace, resource, name } = named;
  const review = Object.hasOwn(reviewResources, group) && reviewResources[group] === resource && version === 'v1';
  return review && namespace === undefined && name === undefined;
}

function decideReview({ group, resource }: Review, asked: Asked): Decision {
  const wrong = misplaced(asked.query, 'document');
  return wrong ?? { ok: true, answer: 'review', verb: 'create', resource: kindName(group, resource), ...asked };
}

function decideDocument({ group }: Extract<NamedByPath, { kind: 'document' }>, asked: Asked): Decision {
  if (group !== undefined && !isReadableGroup(group))
    return forbidden('group', `the group ${group} is not open to peers`);
  const wrong = misplaced(asked.query, 'document');
  return wrong ?? { ok: true, answer: 'forward', verb: 'get', resource: 'discovery', ...asked };
}

function decideResource(named: Extract<NamedByPath, { kind: 'resource' }>, asked: Asked): Decision {
  const { group, resource, name } = named;
  const own = ownAnswer(named, asked.query);
  if (group === '' && resource === 'secrets' && own === undefined)
    return forbidden('secrets', 'Secrets are not open to peers');
  if (own === undefined && !isReadable(group, resource)) {
    return forbidden('resource', `${kindName(group, resource)} is not open to peers`);
  }
  const wrong = misplaced(asked.query, name === undefined ? 'collection' : 'object');
  if (wrong !== undefined) return wrong;
  const verb = name !== undefined ? 'get' : isSet(asked.query, 'watch') ? 'watch' : 'list';
  return {
    ok: true,
    answer: own ?? 'forward',
    verb,
    resource: kindName(group, resource),
    ...asked,
  };
}

function ownAnswer(
  { group, namespace, resource, name }: Extract<NamedByPath, { kind: 'resource' }>,
  query: Query,
): 'no-secrets' | 'mesh-config' | undefined {
  if (group !== '' || name !== undefined) return undefined;
  if (resource === 'secrets') return 'no-secrets';
  const mesh = resource === 'configmaps' && namespace !== undefined && meshConfigName(query) !== undefined;
  return mesh ? 'mesh-config' : undefined;
}

function kindName(group: string, resource: string): string {
  return group === '' ? resource : `${resource}.${group}`;
}
