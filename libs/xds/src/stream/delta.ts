import { advance } from './advance.js';
import { dueOf, type Due } from './due.js';
import { joined, owedTo, respond } from './respond.js';
import type { ResourceSet } from './served.js';
import { withType, type DeltaRequest, type Reading, type Step, type StreamState, type TypeState } from './state.js';
import { changedSubscription, firstDeltaSubscription, wants, type Subscription } from './subscription.js';
import { referredTo, ruleOf } from './type-rules.js';

/** Incremental xDS: one request read (xDS protocol, "Incremental xDS"). */
export function deltaRequest(state: StreamState, request: DeltaRequest): Step {
  const set = state.served.set(request.typeUrl);
  if (set === undefined) return { state, send: [], reading: 'ignored' };
  const type = state.types.get(request.typeUrl);
  const step = type === undefined ? firstRequest(state, request, set) : laterRequest(state, request, { type, set });
  return joined(step, advance);
}

/**
 * A client that reconnects says what it holds (initial_resource_versions), and is sent only what differs from that. A
 * client that holds nothing gets an answer in any case, if there is nothing then an empty one: it waits for it to start.
 */
function firstRequest(state: StreamState, request: DeltaRequest, set: ResourceSet): Step {
  const { typeUrl, initialVersions } = request;
  const rule = ruleOf(typeUrl);
  const asked = firstDeltaSubscription(request.subscribe, rule.wildcard);
  const subscription = asked.wildcard ? asked : changedSubscription(asked, [...initialVersions.keys()], []);
  const type: TypeState = {
    subscription,
    held: initialVersions,
    awaiting: [],
    lastNonce: '',
    lastVersion: '',
    ackedVersion: '',
    refusal: undefined,
  };
  const due = dueOf(set, { ...type, again: owedTo(state, typeUrl) });
  const evenEmpty = subscription.wildcard && initialVersions.size === 0;
  const step = respond(withType(state, typeUrl, type), typeUrl, { type, due, evenEmpty });
  return { ...step, reading: 'init' };
}

interface Known {
  readonly type: TypeState;
  readonly set: ResourceSet;
}

function laterRequest(state: StreamState, request: DeltaRequest, { type, set }: Known): Step {
  const answered = afterAnswer(type, request);
  const subscription = changedSubscription(type.subscription, request.subscribe, request.unsubscribe);
  const held = heldAfter(type.held, request, subscription);
  const current: TypeState = { ...answered.type, subscription, held };
  const next = withType(state, request.typeUrl, current);
  const again = askedAgain(request, type.subscription, subscription);
  const reading = again.size > 0 || request.unsubscribe.length > 0 ? 'subscription' : answered.reading;
  const step =
    again.size > 0
      ? respond(next, request.typeUrl, { type: current, due: dueAfter(next, request, { current, set, again }) })
      : { state: next, send: [] };
  return { ...step, reading: answered.reading === 'nack' ? 'nack' : reading };
}

interface Asked {
  readonly current: TypeState;
  readonly set: ResourceSet;
  readonly again: ReadonlySet<string>;
}

/**
 * What was just subscribed to is answered at once, even if held and even while a response is on its way: a client may wait
 * for it before it acknowledges anything. The rest joins only when no response is on its way and nothing is held back; what is gone
 * never does (see `advance`).
 */
function dueAfter(state: StreamState, request: DeltaRequest, { current, set, again }: Asked): Due {
  if (current.awaiting.length === 0 && state.waits.referring === undefined) {
    const all = new Set([...again, ...owedTo(state, request.typeUrl)]);
    return dueOf(set, { ...current, again: all, keepGone: referredTo.includes(request.typeUrl) });
  }
  const only: Subscription = { wildcard: request.subscribe.includes('*'), names: again };
  const due = dueOf(set, { subscription: only, held: current.held, again });
  return { ...due, held: new Map([...current.held, ...due.held]) };
}

/** Names to be answered whether held or not: newly subscribed, or given up by name while the wildcard still covers them. */
function askedAgain(request: DeltaRequest, before: Subscription, now: Subscription): ReadonlySet<string> {
  const covered = request.unsubscribe.filter((name) => now.wildcard && before.names.has(name));
  return new Set([...request.subscribe, ...covered]);
}

function heldAfter(
  held: ReadonlyMap<string, string>,
  request: DeltaRequest,
  subscription: Subscription,
): ReadonlyMap<string, string> {
  if (request.unsubscribe.length === 0) return held;
  return new Map([...held].filter(([name]) => wants(subscription, name)));
}

interface Answered {
  readonly type: TypeState;
  readonly reading: Reading;
}

/** ACK or NACK of one response settles that one and those sent before it; a nonce that is not awaited changes nothing. */
function afterAnswer(type: TypeState, { nonce, error }: DeltaRequest): Answered {
  if (nonce === '') return { type, reading: 'subscription' };
  const position = type.awaiting.indexOf(nonce);
  if (position < 0) return { type, reading: 'stale' };
  const left = stillAwaiting(type, type.awaiting.slice(position + 1));
  if (error !== undefined) return { type: { ...left, refusal: { nonce, message: error } }, reading: 'nack' };
  return { type: { ...left, ackedVersion: type.lastVersion, refusal: undefined }, reading: 'ack' };
}

function stillAwaiting(type: TypeState, awaiting: readonly string[]): TypeState {
  if (type.underWay === undefined) return { ...type, awaiting };
  return { ...type, awaiting, underWay: new Map([...type.underWay].filter(([nonce]) => awaiting.includes(nonce))) };
}
