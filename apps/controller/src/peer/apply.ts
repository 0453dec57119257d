import type { PeerStatus } from '#crd';
import { EventWriter, InvalidError, pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { counted, isFields, names, peerKey, sortedRecord } from '#model';
import type { PeerMemory } from '#trust';
import type { Memories } from '../memories.js';
import type { PeerLinks } from '../peer-link/links.js';
import { keptOpen } from './conditions.js';
import type { History } from './history.js';
import type { PeerInput } from './input.js';
import { statusEvents } from './status-events.js';
import type { StatusPace } from './status-pace.js';
import type { PeerVerdict } from './verdict.js';

const resourceByKind = {
  IstioFederation: resources.istioFederations,
  IstioMulticluster: resources.istioMulticlusters,
} as const;

const timesEveryMs = 60_000;
const timesOfContact: ReadonlySet<string> = new Set(['fetchedAt', 'lastAttemptAt', 'lastContact']);

export interface PeerActions {
  readonly client: KubeClient;
  readonly memories: Memories;
  readonly links: PeerLinks;
  readonly events: EventWriter;
  readonly history: History;
  /** By peer key: UID of the resource that was let go of, until it is gone. */
  readonly departed: Map<string, string | undefined>;
  readonly pace: StatusPace;
  /** Looks at a peer again in so many milliseconds. */
  readonly lookAgain: (key: string, ms: number) => void;
  /** Asks for a publication pass. */
  readonly publish: () => void;
  /** Resolves when a pass that began after the call has ended well. */
  readonly published: (signal: AbortSignal) => Promise<void>;
}

/** Carries out what one reconcile decided: the finalizer, the link, what is remembered. */
export async function applyPeer(
  actions: PeerActions,
  input: PeerInput,
  verdict: PeerVerdict,
  signal: AbortSignal,
): Promise<void> {
  const { ref } = input;
  if (verdict.leaving) {
    await leave(actions, input, signal);
    return;
  }
  await ensureFinalizer(actions.client, input, signal);
  if (verdict.link === undefined) await actions.links.remove(peerKey(ref));
  else actions.links.ensure(peerKey(ref), verdict.link);
  await actions.memories.restore(ref, signal);
  await rememberNews(actions, input, verdict.memory, signal);
  if (verdict.spentAnnotation !== undefined) await takeOff(actions, input, verdict.spentAnnotation, signal);
}

async function rememberNews(
  actions: PeerActions,
  { ref, memory: before, hearing, now }: PeerInput,
  memory: PeerMemory | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (memory === undefined || memory === before) return;
  const writing = actions.memories.remember(ref, memory, signal);
  // The pass reads the memory in this process: it need not wait for the Secret.
  if (
    before?.privateDocument?.digest !== memory.privateDocument?.digest ||
    // The same content again after it had ended: its services may come back.
    (before?.privateDocument?.expiresAt ?? Infinity) < now ||
    JSON.stringify(before?.facts) !== JSON.stringify(memory.facts)
  )
    actions.publish();
  await writing;
  actions.history.record(ref, before, memory, hearing);
}

/** Guarded by the value: what the operator set since stays. After what it released is remembered, so that a kill in between loses nothing. */
async function takeOff(
  { client, events }: PeerActions,
  input: PeerInput,
  { name, value, idle }: NonNullable<PeerVerdict['spentAnnotation']>,
  signal: AbortSignal,
): Promise<void> {
  const path = `/metadata/annotations/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const change = [
    { op: 'test', path, value },
    { op: 'remove', path },
  ];
  const resource = pathFor(resourceByKind[input.ref.kind], { name: input.ref.name });
  try {
    await client.patch(resource, change, 'application/json-patch+json', { signal });
    if (idle !== undefined) events.write(objectOf(input), { type: 'Warning', action: 'TakeOff', ...idle });
  } catch (error) {
    // It is another by now, or gone: the next look tells.
    if (!(error instanceof InvalidError)) throw error;
  }
}

/** Trust ends and everything produced goes before the resource does; what was cut is said in an Event. */
async function leave(actions: PeerActions, input: PeerInput, signal: AbortSignal): Promise<void> {
  const { ref } = input;
  if (!(input.metadata.finalizers ?? []).includes(names.finalizer)) return;
  // The informer may show it once more as it was: it is let go of, and told, only once.
  if (actions.departed.get(peerKey(ref)) === input.metadata.uid) return;
  await actions.published(signal);
  await actions.links.remove(peerKey(ref));
  await actions.memories.forget(ref);
  actions.events.write(objectOf(input), {
    type: 'Normal',
    reason: 'Revoked',
    action: 'Remove',
    note: departureNote(input),
  });
  await letGo(actions.client, input, signal);
  actions.departed.set(peerKey(ref), input.metadata.uid);
}

/** What the end of a resource has cut: by what was last told of it, which outlives the process that told it. Pure. */
export function departureNote(input: PeerInput): string {
  const { ref, previous, memory } = input;
  const domain = memory?.facts.trustDomain ?? 'the peer';
  const { imported = 0, exported = 0 } = previous?.services ?? input.publication ?? {};
  if (!wasTrusted(input) && imported === 0)
    return `${ref.kind} ${ref.name} is gone; ${domain} was not trusted through it, so nothing was cut`;
  const read = previous?.remote?.services;
  const cut =
    read === undefined
      ? `${counted(imported, 'imported service')} removed, ${exported} no longer offered`
      : `${counted(read, 'service')} of its registry no longer read, and its API server no longer asked`;
  return `trust in ${ref.kind} ${ref.name} (${domain}) has ended; ${cut}${keptOpen(input)}`;
}

function wasTrusted({ previous, publication }: PeerInput): boolean {
  const told = previous?.conditions?.find(({ type }) => type === 'TrustEstablished');
  return told === undefined ? publication?.trusted === true : told.status === 'True';
}

/** Takes our finalizer off, whatever else changed meanwhile (guarded by its place alone): what comes before must not be told a second time. */
async function letGo(client: KubeClient, { ref, metadata }: PeerInput, signal: AbortSignal): Promise<void> {
  const path = `/metadata/finalizers/${(metadata.finalizers ?? []).indexOf(names.finalizer)}`;
  const change = [
    { op: 'test', path, value: names.finalizer },
    { op: 'remove', path },
  ];
  const resource = pathFor(resourceByKind[ref.kind], { name: ref.name });
  await client.patch(resource, change, 'application/json-patch+json', { signal });
}

async function ensureFinalizer(client: KubeClient, input: PeerInput, signal: AbortSignal): Promise<void> {
  const present = input.metadata.finalizers ?? [];
  if (!present.includes(names.finalizer)) await patchFinalizers(client, input, [...present, names.finalizer], signal);
}

/** Guarded by the resource version: finalizers of others are never lost. */
async function patchFinalizers(
  client: KubeClient,
  input: PeerInput,
  finalizers: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const path = pathFor(resourceByKind[input.ref.kind], { name: input.ref.name });
  const body = { metadata: { resourceVersion: input.metadata.resourceVersion, finalizers } };
  await client.patch(path, body, 'application/merge-patch+json', { signal });
}

/** Writes status when it differs: with what follows shortly where no condition turns, times alone once a minute. What changed becomes Events. */
export async function writePeerStatus(
  actions: Pick<PeerActions, 'client' | 'events' | 'pace' | 'lookAgain'>,
  input: PeerInput,
  status: PeerStatus,
  signal: AbortSignal,
): Promise<void> {
  const key = peerKey(input.ref);
  if (input.metadata.deletionTimestamp !== undefined || isTold(input.previous, status)) {
    actions.pace.told(key);
    return;
  }
  const delay = actions.pace.delay(key, { before: input.previous, status, now: input.now });
  if (delay > 0) {
    actions.lookAgain(key, delay);
    return;
  }
  const object = {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: input.ref.kind,
    metadata: { name: input.ref.name },
    status,
  };
  await actions.client.applyStatus(object as ApiObject, { fieldManager: names.fieldManager, signal });
  actions.pace.told(key);
  for (const event of statusEvents(input.previous, status)) actions.events.write(objectOf(input), event);
}

/** Equal but for times of contact, of which a minute is not worth a write. */
function isTold(before: PeerStatus | undefined, now: PeerStatus): boolean {
  if (before === undefined || timeless(before) !== timeless(now)) return false;
  return newestTime(now) - newestTime(before) < timesEveryMs;
}

function timeless(status: PeerStatus): string {
  return JSON.stringify(status, (key, value: unknown) => (timesOfContact.has(key) ? undefined : canonical(value)));
}

function newestTime({ documents, remote }: PeerStatus): number {
  const { lastAttemptAt, public: open, private: closed } = documents ?? {};
  const times = [lastAttemptAt, open?.fetchedAt, closed?.fetchedAt, remote?.lastContact];
  return Math.max(0, ...times.map((text) => (text === undefined ? 0 : Date.parse(text))));
}

function canonical(value: unknown): unknown {
  return isFields(value) ? sortedRecord(value) : value;
}

function objectOf(input: PeerInput): ApiObject {
  return {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: input.ref.kind,
    metadata: { name: input.metadata.name, ...(input.metadata.uid === undefined ? {} : { uid: input.metadata.uid }) },
  };
}
