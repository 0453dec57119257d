import type { Resource } from '#proto';
import { compareText } from '#model';
import { dueOf, holdsWhatIsGone, isDue, type Due } from './due.js';
import type { ResourceSet } from './served.js';
import { withType, type Outgoing, type Step, type StreamState, type TypeState } from './state.js';
import { ruleOf, warmedBy } from './type-rules.js';
import { wants } from './subscription.js';

const nothing: ReadonlySet<string> = new Set();

/** Names of a type that must be sent again, since what they warm was sent before. */
export function owedTo(state: StreamState, typeUrl: string): ReadonlySet<string> {
  return state.owed.get(typeUrl) ?? nothing;
}

/**
 * Sends what one type lacks, if the client has answered everything of that type: at most one response is on its way, and
 * whatever changes meanwhile is merged into the next. `keepGone` leaves removals for later.
 */
export function push(state: StreamState, typeUrl: string, keepGone = false): Step {
  const answer = answerTo(state, typeUrl, keepGone);
  return answer === undefined ? { state, send: [] } : respond(state, typeUrl, answer);
}

/** What the client lacks of a type; undefined while it has not answered what was sent of it, or is not served it. */
function answerTo(state: StreamState, typeUrl: string, keepGone: boolean): Answer | undefined {
  const type = state.types.get(typeUrl);
  const set = state.served.set(typeUrl);
  if (type === undefined || set === undefined || type.awaiting.length > 0) return undefined;
  return { type, due: dueOf(set, { ...type, again: owedTo(state, typeUrl), keepGone }) };
}

/** Pushes several types, one after the other. */
export function pushEach(state: StreamState, typeUrls: readonly string[], keepGone = false): Step {
  let step: Step = { state, send: [] };
  for (const typeUrl of typeUrls) step = joined(step, (after) => push(after, typeUrl, keepGone));
  return step;
}

/** Whether a push of the type would send something now. */
export function isToPush(state: StreamState, typeUrl: string): boolean {
  const answer = answerTo(state, typeUrl, false);
  return answer !== undefined && isDue(answer.due);
}

/** Whether the client holds something of the type that is no longer there, answered or not what was sent last. */
export function somethingIsGone(state: StreamState, typeUrl: string): boolean {
  const type = state.types.get(typeUrl);
  const set = state.served.set(typeUrl);
  return type !== undefined && set !== undefined && holdsWhatIsGone(set, type);
}

/** Pushes what warms resources of this type: their client may wait for it without asking. */
export function pushWarming(state: StreamState, typeUrl: string): Step {
  const { warms } = ruleOf(typeUrl);
  return warms === undefined ? { state, send: [] } : push(state, warms);
}

/** Several steps as one. */
export function joined(first: Step, then: (state: StreamState) => Step): Step {
  const second = then(first.state);
  return { ...first, state: second.state, send: [...first.send, ...second.send] };
}

export interface Answer {
  readonly type: TypeState;
  readonly due: Due;
  /** Answer although nothing is due: the client waits for a first response. */
  readonly evenEmpty?: boolean;
}

/** Records what is due as held and, unless the protocol has no way to say it, puts it into a response. */
export function respond(state: StreamState, typeUrl: string, answer: Answer): Step {
  const { type, due, evenEmpty = false } = answer;
  const settled = withoutOwed(state, typeUrl, answer);
  const resources = resourcesToSend(settled, typeUrl, answer);
  const removed = state.protocol === 'delta' ? due.removed : [];
  const known = { ...type, held: due.held };
  if (!isSaid(state, typeUrl, { resources, removed, due, evenEmpty })) {
    return { state: due.held === type.held ? settled : withType(settled, typeUrl, known), send: [] };
  }
  const sequence = settled.sequence + 1;
  const nonce = String(sequence);
  const version = viewVersion(settled, typeUrl, due.held);
  const awaiting = [...type.awaiting, nonce];
  const answered = { ...known, awaiting, lastNonce: nonce, lastVersion: version };
  const sent = withType(
    settled,
    typeUrl,
    state.protocol === 'delta' ? withUnderWay(answered, typeUrl, resources) : answered,
  );
  const outgoing: Outgoing = { typeUrl, nonce, version, resources, removed };
  return { state: owing({ ...sent, sequence }, typeUrl, due.resources), send: [outgoing] };
}

/**
 * version_info of a state-of-the-world response: a hash over the names and versions that the client holds after it. So a
 * client that comes back with it, to whatever replica, holds just that. Endpoints count together with the version of
 * their cluster: a cluster that was sent and whose endpoints got lost on the way must be followed by them again.
 */
export function viewVersion(state: StreamState, typeUrl: string, held: ReadonlyMap<string, string>): string {
  if (state.protocol === 'delta') return '';
  const parent = warmedBy(typeUrl);
  const parents = parent === undefined ? undefined : versionsOf(state, parent);
  return state.digest(
    (function* () {
      for (const [name, version] of [...held].sort(byName)) yield `${name}\n${version}\n${parents?.get(name) ?? ''}\n`;
    })(),
  );
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return compareText(a, b);
}

function versionsOf(state: StreamState, typeUrl: string): ReadonlyMap<string, string> | undefined {
  return state.types.get(typeUrl)?.held ?? state.served.set(typeUrl)?.versions;
}

function resourcesToSend(state: StreamState, typeUrl: string, { type, due }: Answer): readonly Resource[] {
  const set = state.served.set(typeUrl);
  const complete = state.protocol === 'sotw' && ruleOf(typeUrl).completeState;
  return complete && set !== undefined ? wholeState(set, type) : due.resources;
}

function wholeState(set: ResourceSet, type: TypeState): readonly Resource[] {
  return [...set.versions.keys()].flatMap((name) => {
    const resource = wants(type.subscription, name) ? set.resource(name) : undefined;
    return resource === undefined ? [] : [resource];
  });
}

function withUnderWay(type: TypeState, typeUrl: string, resources: readonly Resource[]): TypeState {
  if (ruleOf(typeUrl).warms === undefined) return type;
  const names = resources.map(({ name }) => name);
  return { ...type, underWay: new Map(type.underWay).set(type.lastNonce, names) };
}

interface Saying {
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
  readonly due: Due;
  readonly evenEmpty: boolean;
}

function isSaid(state: StreamState, typeUrl: string, { resources, removed, due, evenEmpty }: Saying): boolean {
  const rule = ruleOf(typeUrl);
  if (rule.neverEmpty && resources.length === 0) return false;
  if (state.protocol === 'sotw' && rule.completeState) return evenEmpty || isDue(due);
  return evenEmpty || resources.length > 0 || removed.length > 0;
}

function owing(state: StreamState, typeUrl: string, resources: readonly Resource[]): StreamState {
  const { warms } = ruleOf(typeUrl);
  if (warms === undefined || resources.length === 0) return state;
  const names = new Set([...owedTo(state, warms), ...resources.map((resource) => resource.name)]);
  return { ...state, owed: new Map(state.owed).set(warms, names) };
}

/** Paid is what is sent now; what is not subscribed to will be asked for by name. The rest stays owed. */
function withoutOwed(state: StreamState, typeUrl: string, { type, due }: Answer): StreamState {
  const owed = state.owed.get(typeUrl);
  if (owed === undefined) return state;
  const sent = new Set([...due.resources.map((resource) => resource.name), ...due.removed]);
  const rest = new Set([...owed].filter((name) => !sent.has(name) && wants(type.subscription, name)));
  const all = new Map(state.owed);
  if (rest.size === 0) all.delete(typeUrl);
  else all.set(typeUrl, rest);
  return { ...state, owed: all };
}
