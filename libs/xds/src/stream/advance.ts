import { isToPush, joined, pushEach } from './respond.js';
import type { Step, StreamState } from './state.js';
import { pushOrder, referredTo } from './type-rules.js';

/**
 * Sends what may be sent now of all that a client lacks, make before break (xDS protocol, "Eventual consistency considerations"): clusters,
 * endpoints and secrets that are new or changed; what refers to them once the client has answered those; and what is gone once it has answered these. So
 * no route names a cluster that is not there yet or no longer, and among many clients the small and urgent comes to all of them before the large.
 * Each part waits only for answers to what was sent before it was first held back: a stream of changes holds up nothing for ever.
 *
 * In state of the world one response says what there is and what not, so all goes out at once in that order.
 */
export function advance(state: StreamState): Step {
  if (state.protocol === 'sotw') return pushEach(state, [...referredTo, ...referring(state)]);
  // Nothing refers to what is gone any more: it goes along.
  if (isSettled(state, referring(state))) return pushEach(withWaits(state, {}), referredTo);
  return joined(joined(pushEach(state, referredTo, true), advanceReferring), advanceGone);
}

/** The client holds all that there is of these types, and has answered it. */
function isSettled(state: StreamState, typeUrls: readonly string[]): boolean {
  return typeUrls.every(
    (typeUrl) => !isToPush(state, typeUrl) && (state.types.get(typeUrl)?.awaiting.length ?? 0) === 0,
  );
}

/** Listeners, routes and the rest. */
function advanceReferring(state: StreamState): Step {
  const types = referring(state);
  const waits = types.some((typeUrl) => isToPush(state, typeUrl))
    ? waitsFor(state, referredTo, state.waits.referring)
    : undefined;
  const next = withWaits(state, { ...state.waits, referring: waits });
  return waits === undefined ? pushEach(next, types) : { state: next, send: [] };
}

/** Clusters, endpoints and secrets that are no longer there. */
function advanceGone(state: StreamState): Step {
  const heldBack = state.waits.referring !== undefined;
  const isThere = referredTo.some((typeUrl) => isToPush(state, typeUrl));
  if (!isThere) return { state: withWaits(state, { ...state.waits, gone: undefined }), send: [] };
  if (heldBack) return { state, send: [] };
  const gone = waitsFor(state, referring(state), state.waits.gone);
  const next = withWaits(state, { ...state.waits, gone });
  return gone === undefined ? pushEach(next, referredTo) : { state: next, send: [] };
}

/** The last response that must be answered first: the one sent last when the waiting began; undefined = none any more. */
function waitsFor(state: StreamState, typeUrls: readonly string[], since = state.sequence): number | undefined {
  const open = typeUrls.some(
    (typeUrl) => state.types.get(typeUrl)?.awaiting.some((nonce) => Number(nonce) <= since) === true,
  );
  return open ? since : undefined;
}

function withWaits(state: StreamState, waits: StreamState['waits']): StreamState {
  const same = waits.referring === state.waits.referring && waits.gone === state.waits.gone;
  return same ? state : { ...state, waits };
}

function referring(state: StreamState): readonly string[] {
  const others = [...state.types.keys()].filter((typeUrl) => !pushOrder.includes(typeUrl)).sort();
  return [...pushOrder.filter((typeUrl) => !referredTo.includes(typeUrl)), ...others];
}
