import { dueOf } from './due.js';
import { joined, owedTo, push, pushWarming, respond, viewVersion } from './respond.js';
import type { ResourceSet } from './served.js';
import { withType, type Reading, type SotwRequest, type Step, type StreamState, type TypeState } from './state.js';
import { statedSubscription, wants, type Subscription } from './subscription.js';
import { ruleOf } from './type-rules.js';

/** State-of-the-world xDS: one request read (xDS protocol, "Basic Protocol Overview", "ACK and NACK semantics"). */
export function sotwRequest(state: StreamState, request: SotwRequest): Step {
  const set = state.served.set(request.typeUrl);
  if (set === undefined) return { state, send: [], reading: 'ignored' };
  const type = state.types.get(request.typeUrl);
  const first = type === undefined || request.nonce === '';
  const step = first ? firstRequest(state, request, set) : laterRequest(state, request, type);
  return joined(step, (after) => pushWarming(after, request.typeUrl));
}

/**
 * No response was seen on this stream: all is answered, unless version_info says that the client holds just this view
 * from a stream before and nothing is owed to it.
 */
function firstRequest(state: StreamState, request: SotwRequest, set: ResourceSet): Step {
  const { typeUrl, version } = request;
  const subscription = statedSubscription(request.names, ruleOf(typeUrl).wildcard);
  const before = state.types.get(typeUrl);
  const type: TypeState = {
    subscription,
    held: new Map(),
    awaiting: before?.awaiting ?? [],
    lastNonce: before?.lastNonce ?? '',
    lastVersion: before?.lastVersion ?? '',
    ackedVersion: before?.ackedVersion ?? '',
    refusal: before?.refusal,
  };
  const due = dueOf(set, type);
  if (isUpToDate(state, request, { subscription, held: due.held })) {
    const settled: TypeState = { ...type, held: due.held, lastVersion: version, ackedVersion: version };
    return { state: withType(state, typeUrl, settled), send: [], reading: 'init' };
  }
  const step = respond(withType(state, typeUrl, type), typeUrl, { type, due, evenEmpty: subscription.wildcard });
  return { ...step, reading: 'init' };
}

interface View {
  readonly subscription: Subscription;
  readonly held: ReadonlyMap<string, string>;
}

function isUpToDate(state: StreamState, request: SotwRequest, { subscription, held }: View): boolean {
  if (request.version === '' || request.version !== viewVersion(state, request.typeUrl, held)) return false;
  return ![...owedTo(state, request.typeUrl)].some((name) => wants(subscription, name));
}

function laterRequest(state: StreamState, request: SotwRequest, type: TypeState): Step {
  if (request.nonce !== type.lastNonce) return { state, send: [], reading: 'stale' };
  const subscription = statedSubscription(request.names, ruleOf(request.typeUrl).wildcard);
  const held = new Map([...type.held].filter(([name]) => wants(subscription, name)));
  const current: TypeState = {
    ...afterAnswer(type, request),
    subscription,
    held: held.size === type.held.size ? type.held : held,
  };
  const step = push(withType(state, request.typeUrl, current), request.typeUrl);
  return { ...step, reading: readingOf(request, type.subscription, subscription) };
}

function afterAnswer(type: TypeState, { nonce, error }: SotwRequest): TypeState {
  if (error !== undefined) return { ...type, awaiting: [], refusal: { nonce, message: error } };
  return { ...type, awaiting: [], ackedVersion: type.lastVersion, refusal: undefined };
}

function readingOf(request: SotwRequest, before: Subscription, now: Subscription): Reading {
  if (request.error !== undefined) return 'nack';
  const same = before.wildcard === now.wildcard && before.names.size === now.names.size;
  return same && [...now.names].every((name) => before.names.has(name)) ? 'ack' : 'subscription';
}
