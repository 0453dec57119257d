import { isToPush, joined, pushEach, somethingIsGone } from './respond.js';
import type { Step, StreamState } from './state.js';
import { noSubscription, wants } from './subscription.js';
import { awaitedFirst, pushOrder, referredTo, ruleOf } from './type-rules.js';

/**
 * Sends what may be sent now of all that a client lacks, make before break (xDS protocol, "Eventual consistency considerations"): clusters,
 * endpoints and secrets that are new or changed; what refers to them once the client has asked for the endpoints of new clusters and answered
 * all endpoints; and what is gone once it has answered what referred to it. So no route names a cluster that is no longer there, and among many clients the small and urgent comes to all of
 * them before the large. Each part waits only for answers to what was sent before it was first held back: a stream of changes holds up nothing for
 * ever.
 *
 * In state of the world one response says what there is and what not, so all goes out at once in that order.
 */
export function advance(state: StreamState): Step {
  const types = referring(state);
  if (state.protocol === 'sotw') return pushEach(state, [...referredTo, ...types]);
  const isGone = referredTo.some((typeUrl) => somethingIsGone(state, typeUrl));
  const from = isGone ? state : withWaits(state, { ...state.waits, gone: undefined });
  const drops = isGone && mayDrop(from, types);
  const made = joined(pushEach(from, referredTo, !drops), (after) => advanceReferring(after, types));
  return isGone && !drops ? joined(made, (after) => advanceGone(after, types)) : made;
}

/** Nothing refers to what is gone any more, or all that was sent before it was held back has been answered. */
function mayDrop(state: StreamState, types: readonly string[]): boolean {
  const { gone } = state.waits;
  return isSettled(state, types) || (gone !== undefined && !isOpen(state, types, gone));
}

/** The client holds all that there is of these types, and has answered it. */
function isSettled(state: StreamState, types: readonly string[]): boolean {
  return types.every((typeUrl) => !isToPush(state, typeUrl) && (state.types.get(typeUrl)?.awaiting.length ?? 0) === 0);
}

/** Listeners, routes and the rest: once endpoints of the clusters that went before have been asked for, and endpoints have been answered. */
function advanceReferring(state: StreamState, types: readonly string[]): Step {
  if (!types.some((typeUrl) => isToPush(state, typeUrl)))
    return { state: withWaits(state, { ...state.waits, referring: undefined }), send: [] };
  const { since, answered } = state.waits.referring ?? { since: state.sequence };
  const upTo = answered ?? (isToBeAskedFor(state, since) ? undefined : state.sequence);
  if (upTo === undefined || isOpen(state, awaitedFirst, upTo))
    return { state: withWaits(state, { ...state.waits, referring: { since, answered: upTo } }), send: [] };
  return pushEach(withWaits(state, { ...state.waits, referring: undefined }), types);
}

/**
 * Whether the client has yet to ask for what warms something that it was sent in a response up to this one, and is still at work on. Envoy asks for
 * the endpoints of all new clusters as soon as it has read them, whatever else they warm for.
 */
function isToBeAskedFor(state: StreamState, upTo: number): boolean {
  return referredTo.some((typeUrl) => {
    const { warms } = ruleOf(typeUrl);
    return warms !== undefined && lacksSubscription(state, namesUnderWay(state, typeUrl, upTo), warms);
  });
}

function namesUnderWay(state: StreamState, typeUrl: string, upTo: number): readonly string[] {
  const responses = [...(state.types.get(typeUrl)?.underWay ?? [])];
  return responses.flatMap(([nonce, names]) => (Number(nonce) <= upTo ? names : []));
}

function lacksSubscription(state: StreamState, names: readonly string[], warms: string): boolean {
  const there = state.served.set(warms)?.versions;
  const subscription = state.types.get(warms)?.subscription ?? noSubscription;
  return names.some((name) => there?.has(name) === true && !wants(subscription, name));
}

/** Clusters, endpoints and secrets that are no longer there. */
function advanceGone(state: StreamState, types: readonly string[]): Step {
  if (state.waits.referring !== undefined) return { state, send: [] };
  const gone = state.waits.gone ?? state.sequence;
  const next = withWaits(state, { ...state.waits, gone });
  return isOpen(state, types, gone) ? { state: next, send: [] } : pushEach(next, referredTo);
}

/** Whether a response up to this one has not been answered. */
function isOpen(state: StreamState, types: readonly string[], upTo: number): boolean {
  return types.some((typeUrl) => state.types.get(typeUrl)?.awaiting.some((nonce) => Number(nonce) <= upTo) === true);
}

function withWaits(state: StreamState, waits: StreamState['waits']): StreamState {
  const same = waits.referring === state.waits.referring && waits.gone === state.waits.gone;
  return same ? state : { ...state, waits };
}

function referring(state: StreamState): readonly string[] {
  const others = [...state.types.keys()].filter((typeUrl) => !pushOrder.includes(typeUrl)).sort();
  return [...pushOrder.filter((typeUrl) => !referredTo.includes(typeUrl)), ...others];
}
