import { TYPE_URLS } from '#proto';

/** How a type behaves on a stream (xDS protocol, "Resource Types"; Istio's name table is read by pilot-agent). */
export interface TypeRule {
  /** An empty first subscription means all resources. */
  readonly wildcard: boolean;
  /** A state-of-the-world response lists everything: what is missing in it is deleted by the client. */
  readonly completeState: boolean;
  /** The client acknowledges nothing when a response is empty, so none is sent. */
  readonly neverEmpty: boolean;
  /** A changed resource of this type must be followed by the same-named resource of the other, or it warms for ever. */
  readonly warms?: string;
}

const byName: TypeRule = { wildcard: false, completeState: false, neverEmpty: false };
const complete: TypeRule = { wildcard: true, completeState: true, neverEmpty: false };

const rules: ReadonlyMap<string, TypeRule> = new Map([
  [TYPE_URLS.cluster, { ...complete, warms: TYPE_URLS.endpoints }],
  [TYPE_URLS.listener, complete],
  [TYPE_URLS.nameTable, { ...complete, neverEmpty: true }],
]);

/** The rule of a type; types that are not listed are subscribed by name. */
export function ruleOf(typeUrl: string): TypeRule {
  return rules.get(typeUrl) ?? byName;
}

/** Order in which one change is pushed, so that what is referred to comes before what refers to it. */
export const pushOrder: readonly string[] = [
  TYPE_URLS.cluster,
  TYPE_URLS.endpoints,
  TYPE_URLS.secret,
  TYPE_URLS.listener,
  TYPE_URLS.route,
  TYPE_URLS.nameTable,
];

/** Types that the others refer to. */
export const referredTo: readonly string[] = [TYPE_URLS.cluster, TYPE_URLS.endpoints, TYPE_URLS.secret];

/**
 * What the others wait for the answer to. Not clusters: Envoy answers those only when none of them warms any more, and one whose host name does not
 * resolve must not hold back the access rules that travel in routes and listeners. The endpoints of new clusters it asks for, and answers, at once.
 */
export const awaitedFirst: readonly string[] = [TYPE_URLS.endpoints];

/** The type whose same-named resource makes one of `typeUrl` warm; the inverse of `warms`. */
export function warmedBy(typeUrl: string): string | undefined {
  for (const [parent, rule] of rules) if (rule.warms === typeUrl) return parent;
  return undefined;
}
