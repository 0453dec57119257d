import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerStatus, Reason } from '#crd';
import { ForbiddenError, NotFoundError, pathFor, resources } from '#kube';
import type { ApiObject, ResourcePath } from '#kube';
import { counted } from '#model';
import type { PeerKind } from '#model';
import { until } from './context.js';
import type { CommandContext } from './context.js';

interface PeerObject extends ApiObject {
  readonly spec?: { readonly revoked?: boolean };
  readonly status?: PeerStatus;
}

interface Event extends ApiObject {
  readonly note?: string;
}

/** A peer resource as it is named on the command line. */
export interface NamedPeer {
  readonly kind: PeerKind;
  readonly name: string;
  readonly resource: ResourcePath;
}

const kinds: Readonly<Record<string, Omit<NamedPeer, 'name'>>> = {
  istiofederation: { kind: 'IstioFederation', resource: resources.istioFederations },
  ifed: { kind: 'IstioFederation', resource: resources.istioFederations },
  istiomulticluster: { kind: 'IstioMulticluster', resource: resources.istioMulticlusters },
  imc: { kind: 'IstioMulticluster', resource: resources.istioMulticlusters },
};
type Revocation = NonNullable<PeerStatus['revocation']>;

/** Nothing but an operator's word ends these. */
const needsPins: ReadonlySet<string> = new Set<Reason>([
  'KeyChangedPendingApproval',
  'RootChangedPendingApproval',
  'PinMismatch',
]);
/** What the door closed is told a moment after trust has ended, and nothing where nothing of the peer was open. */
const closingsMs = 8_000;
/** Replicas of the door tell each for itself. */
const otherReplicasMs = 1_500;
const lookAgainMs = 1_000;

/** `kind/name`; kind in the forms that kubectl takes: singular, plural, short, with the group. @throws Error with what is allowed */
export function parsePeer(text: string): NamedPeer {
  const [, kind = '', name = ''] =
    /^([a-z]+)(?:\.(?:v1alpha1\.)?isthmus\.dev)?\/([a-z0-9][a-z0-9.-]*)$/i.exec(text) ?? [];
  const word = kind.toLowerCase();
  const known = kinds[word] ?? kinds[word.replace(/s$/, '')];
  if (known === undefined) throw new Error(`${text}: give istiofederation/NAME or istiomulticluster/NAME`);
  return { ...known, name };
}

/** Withdraws trust; with a deadline, waits until it is gone and tells what was cut. */
export async function revokeTrust(context: CommandContext, peer: NamedPeer, deadline?: number): Promise<void> {
  const started = Date.now();
  const since = writtenAt(await setRevoked(context, peer, true));
  context.say(`${peer.kind} ${peer.name}: spec.revoked is true`);
  if (deadline === undefined) return;
  let seen: PeerObject | undefined;
  const revocation = await until(
    deadline,
    `trust in ${peer.name} to end`,
    async () => (seen = await read(context, peer))?.status?.revocation,
    () => told(seen),
  );
  const took = Date.now() - started;
  if (!context.json) cutLines(peer.name, revocation, `${(took / 1000).toFixed(1)} s`).forEach(context.say);
  const closed = await closedSince(context, peer, since, deadline);
  if (context.json)
    context.print(JSON.stringify({ peer: `${peer.kind}/${peer.name}`, milliseconds: took, revocation, closed }));
  else closed.forEach((note) => context.say(`√ ${note}`));
}

/** What was cut, a line each. Pure. */
export function cutLines(
  name: string,
  { trustDomain = 'unknown', roots = [], imported, exported, remoteServices, openConnections }: Revocation,
  took: string,
): readonly string[] {
  const kept = openConnections === 'Kept';
  return [
    kept
      ? `√ trust in ${name} ended after ${took}; trust domain ${trustDomain} goes on: it is not its alone`
      : `√ trust in ${trustDomain} ended after ${took}`,
    ...roots.map((root) => `√ root ${root} vouches for nothing any more`),
    ...(imported === undefined ? [] : [`√ ${counted(imported, 'imported service')} removed`]),
    ...(exported === undefined ? [] : [`√ ${counted(exported, 'service')} no longer offered to it`]),
    ...(remoteServices === undefined ? [] : [`√ ${counted(remoteServices, 'service')} of its registry no longer read`]),
    ...(kept
      ? [
          '√ new connections of its workloads are refused',
          '! open ones live until they end: nothing in them tells its workloads from others of that trust domain. To cut them now restart the pods here that it calls',
        ]
      : ['√ its workloads are refused at their next request; their TCP connections are cut']),
  ];
}

/** Gives trust back; with a deadline, waits until the peer is trusted again. */
export async function restoreTrust(context: CommandContext, peer: NamedPeer, deadline?: number): Promise<void> {
  let seen = await read(context, peer);
  if (seen !== undefined && seen.spec?.revoked !== true) {
    context.say(`${peer.kind} ${peer.name} is not revoked: nothing was to be done; ${told(seen)}`);
    if (context.json) context.print(JSON.stringify({ peer: `${peer.kind}/${peer.name}`, restored: false }));
    return;
  }
  await setRevoked(context, peer, false);
  context.say(`${peer.kind} ${peer.name}: spec.revoked is false`);
  if (deadline === undefined) return;
  await until(
    deadline,
    `trust in ${peer.name} to come back`,
    async () => {
      seen = await read(context, peer);
      const trust = conditionOf(seen, 'TrustEstablished');
      if (needsPins.has(trust?.reason ?? ''))
        throw new Error(
          `${peer.name} has changed meanwhile, and this does not go on by itself: ${told(seen)}. Compare fingerprints with its operator (\`trust show\` there), then set spec.pins`,
        );
      return trust?.status === 'True' ? true : undefined;
    },
    () => told(seen),
  );
  context.say(`√ ${told(seen)}`);
  if (context.json) context.print(JSON.stringify({ peer: `${peer.kind}/${peer.name}`, restored: true }));
}

async function setRevoked({ client }: CommandContext, peer: NamedPeer, revoked: boolean): Promise<PeerObject> {
  const path = pathFor(peer.resource, { name: peer.name });
  try {
    return await client.patch<PeerObject>(path, { spec: { revoked } }, 'application/merge-patch+json');
  } catch (error) {
    if (error instanceof NotFoundError) throw new Error(`${peer.kind} ${peer.name}: there is none in this cluster`);
    throw error;
  }
}

function read({ client }: CommandContext, peer: NamedPeer): Promise<PeerObject | undefined> {
  return client.get<PeerObject>(pathFor(peer.resource, { name: peer.name }));
}

/** When the API server took the last change, by its own clock, as RFC 3339; of an object that tells no writers the beginning of time. */
function writtenAt({ metadata }: PeerObject): string {
  return (metadata?.managedFields ?? []).reduce((latest, { time = '' }) => (time > latest ? time : latest), '');
}

/** What replicas of the door say that they closed, once they say so; nothing when none does. Trust has ended: a list that fails is no news. */
async function closedSince(
  context: CommandContext,
  peer: NamedPeer,
  since: string,
  deadline: number,
): Promise<readonly string[]> {
  context.say('  waiting for the door to tell what it closed …');
  let giveUpAt = Math.min(Date.now() + closingsMs, deadline);
  let known: readonly string[] = [];
  for (;;) {
    try {
      const closed = await closings(context, peer, since);
      if (known.length === 0 && closed.length > 0) giveUpAt = Date.now() + otherReplicasMs;
      known = closed;
    } catch (error) {
      if (error instanceof ForbiddenError) {
        context.say('  what the door closed stands in Events of namespace default, which you may not list');
        return known;
      }
    }
    if (Date.now() > giveUpAt) {
      if (known.length === 0)
        context.say(
          `  the door has told of nothing, as where nothing of this peer was open; if it is only late, its Events tell: ${listing(peer)}`,
        );
      return known;
    }
    await sleep(lookAgainMs);
  }
}

/** How an operator lists those Events. */
function listing({ kind, name }: NamedPeer): string {
  return `kubectl get events -n default --field-selector reason=Revoked,involvedObject.kind=${kind},involvedObject.name=${name}`;
}

/** What the door has closed since then, as its Events tell. */
async function closings(
  { client }: CommandContext,
  { kind, name }: NamedPeer,
  since: string,
): Promise<readonly string[]> {
  const fieldSelector = `regarding.kind=${kind},regarding.name=${name},reason=Revoked`;
  const events = await client.list<Event>(pathFor(resources.events, { namespace: 'default' }), { fieldSelector });
  return events
    .filter(({ metadata }) => (metadata?.creationTimestamp ?? '') >= since)
    .flatMap(({ note }) => (note?.startsWith('metadata-api') === true ? [note] : []));
}

function conditionOf(
  object: PeerObject | undefined,
  type: string,
): NonNullable<PeerStatus['conditions']>[number] | undefined {
  return object?.status?.conditions?.find((each) => each.type === type);
}

function told(object: PeerObject | undefined): string {
  const found = conditionOf(object, 'TrustEstablished') ?? conditionOf(object, 'Ready');
  return found === undefined ? 'the controller has said nothing: is it running?' : `${found.reason}: ${found.message}`;
}
