import { conditionTableOf } from '#crd';
import type { PeerStatus } from '#crd';
import type { Finding, GatewayAddress } from '#model';
import { finaliseConditions } from '#reconcile';
import type { Judgement } from '#reconcile';
import { parseCertificate, readPublicSigningKey } from '#trust';
import type { PeerMemory, PendingApproval, RememberedDocument } from '#trust';
import type { HeardDocument } from '../peer-link/hearing.js';
import { trustDomainIsShared } from './conditions.js';
import { resourceOf } from './input.js';
import type { PeerInput } from './input.js';
import { endedDocuments } from './silence.js';
import { waitingOf } from './verdict.js';
import type { PeerVerdict } from './verdict.js';

/** The CRD's bound for `status.findings`. */
const mostFindings = 100;
/** The CRD's bound for `status.peer.roots` and `keys`. */
const mostListed = 50;

/** What a kind's own part of the status is made of. */
export interface StatusParts {
  readonly judged: readonly Judgement[];
  readonly gateways: readonly GatewayAddress[];
  readonly findings: readonly Finding[];
}

/** The part of a status that both kinds have: conditions, who the peer is, its documents, its gateways. Pure. */
export function peerStatusOf(
  input: PeerInput,
  verdict: PeerVerdict | undefined,
  failure: Error | undefined,
  { judged, gateways, findings }: StatusParts,
): PeerStatus {
  const generation = input.metadata.generation ?? 0;
  const conditions = finaliseConditions({
    table: conditionTableOf(input.ref.kind),
    judged: verdict === undefined || verdict.next.kind === 'stalled' ? [] : judged,
    previous: (input.previous?.conditions ?? []) as Parameters<typeof finaliseConditions>[0]['previous'],
    generation,
    now: input.now,
    next: verdict?.next,
    failure,
  });
  const memory = verdict?.memory ?? input.memory;
  return {
    observedGeneration: generation,
    conditions,
    ...(memory === undefined ? {} : { peer: peerStatus(memory, verdict) }),
    ...documentStatus(input, verdict, memory),
    ...(memory?.privateDocument === undefined ? {} : { gateways: gatewayStatus(input, gateways) }),
    ...(input.memoryFault === undefined ? {} : lastSaid(input)),
    ...(findings.length === 0 ? {} : { findings: toldFindings(findings, input.previous) }),
    ...revocationStatus(input, memory),
  };
}

/**
 * As many findings as a status holds. Of more, those that it told before keep their places while they last: what only moved into view would be
 * told as new by an Event (status-events.ts).
 */
export function toldFindings(findings: readonly Told[], before: PeerStatus | undefined): readonly Told[] {
  if (findings.length <= mostFindings) return [...findings];
  const told = new Set(before?.findings?.map(identityOf));
  const kept = findings.filter((finding) => told.has(identityOf(finding)));
  const others = findings.filter((finding) => !told.has(identityOf(finding)));
  return [...kept, ...others].slice(0, mostFindings);
}

type Told = NonNullable<PeerStatus['findings']>[number];

function identityOf({ reason, subject = '', message }: Told): string {
  return JSON.stringify([reason, subject, message]);
}

/** What was cut is told from what was said just before, once; it stands until trust is given back. */
function revocationStatus(input: PeerInput, memory: PeerMemory | undefined): Pick<PeerStatus, 'revocation'> {
  const { previous, now, publication } = input;
  if (resourceOf(input)?.spec.revoked !== true) return {};
  if (previous?.revocation !== undefined) return { revocation: previous.revocation };
  // Told when it is done: a pass has gone by that no longer trusts the peer.
  if (publication?.trusted !== false) return {};
  const openConnections = trustDomainIsShared({ ...input, memory }) ? 'Kept' : 'Cut';
  return { revocation: { at: time(now), ...cutOf(previous, memory), openConnections } };
}

function cutOf(
  { services, remote, peer }: PeerStatus = {},
  memory: PeerMemory | undefined,
): Omit<NonNullable<PeerStatus['revocation']>, 'at'> {
  const cut = {
    trustDomain: memory?.facts.trustDomain,
    roots: peer?.roots?.filter(({ state }) => state === 'Trusted').map(({ fingerprint }) => fingerprint),
    imported: services?.imported,
    exported: services?.exported,
    remoteServices: remote?.services,
  };
  return Object.fromEntries(Object.entries(cut).filter(([, value]) => value !== undefined));
}

/** What was said of a peer while its memory could be read: it is still in force. */
function lastSaid({ previous }: PeerInput): Pick<PeerStatus, 'peer' | 'gateways' | 'remote'> {
  const { peer, gateways, remote } = previous ?? {};
  return {
    ...(peer === undefined ? {} : { peer }),
    ...(gateways === undefined ? {} : { gateways }),
    ...(remote === undefined ? {} : { remote }),
  };
}

type KnownPeer = NonNullable<PeerStatus['peer']>;
type RootStatus = NonNullable<KnownPeer['roots']>[number];
type KeyStatus = NonNullable<KnownPeer['keys']>[number];

const keyStates = { current: 'Trusted', next: 'Next', retired: 'Retired' } as const;

/** What waits for approval stands after what is in use, so that its fingerprint can be taken from here. */
function peerStatus(memory: PeerMemory, verdict: PeerVerdict | undefined): KnownPeer {
  const { facts } = memory;
  const { roots, keys } = verdict?.pending ?? { roots: [], keys: [] };
  return {
    clusterUUID: facts.clusterUUID,
    trustDomain: facts.trustDomain,
    clusterDomain: facts.clusterDomain,
    ...(facts.clusterID === undefined ? {} : { clusterID: facts.clusterID }),
    ...(facts.networkName === undefined ? {} : { networkName: facts.networkName }),
    signed: facts.signed,
    firstContact: memory.firstContact,
    roots: [
      ...facts.roots.map((pem) => rootStatus(pem, 'Trusted')),
      ...roots.map((pem) => rootStatus(pem, 'PendingApproval')),
    ].slice(0, mostListed),
    keys: [
      ...facts.keys.map((key) => keyStatus(key, keyStates[key.state])),
      ...keys.map((key) => keyStatus(key, 'PendingApproval')),
    ].slice(0, mostListed),
  };
}

function rootStatus(pem: string, state: RootStatus['state']): RootStatus {
  const root = parseCertificate(pem);
  return {
    fingerprint: `sha256:${root.fingerprint}`,
    subject: root.subject.replaceAll('\n', ', '),
    notBefore: time(root.notBefore),
    notAfter: time(root.notAfter),
    state,
  };
}

function keyStatus({ kid, pem }: PendingApproval['keys'][number], state: KeyStatus['state']): KeyStatus {
  return { fingerprint: `sha256:${readPublicSigningKey(pem)?.fingerprint ?? ''}`, kid, state };
}

function documentStatus(
  input: PeerInput,
  verdict: PeerVerdict | undefined,
  memory: PeerMemory | undefined,
): Pick<PeerStatus, 'documents'> {
  const { hearing, memoryFault, previous } = input;
  const said = memoryFault === undefined ? {} : previous?.documents;
  const documents = {
    ...(hearing.mode === 'none'
      ? {}
      : { transport: hearing.mode === 'stream' ? ('Stream' as const) : ('Poll' as const) }),
    ...contactStatus(input, verdict, memory),
    ...(said?.public === undefined ? {} : { public: said.public }),
    ...(said?.private === undefined ? {} : { private: said.private }),
    ...(memory === undefined
      ? {}
      : { public: fetchedStatus(memory.publicDocument, hearing.publicDocument, hearing.publicAt) }),
    ...(memory?.privateDocument === undefined
      ? {}
      : { private: fetchedStatus(memory.privateDocument, hearing.privateDocument, hearing.privateAt) }),
  };
  return Object.keys(documents).length === 0 ? {} : { documents };
}

type Documents = NonNullable<PeerStatus['documents']>;

/** What a process before this one said stands until this one has tried, and of silence until the peer has answered. */
function contactStatus(
  input: PeerInput,
  verdict: PeerVerdict | undefined,
  memory: PeerMemory | undefined,
): Pick<Documents, 'lastAttemptAt' | 'silentSince'> {
  const { hearing, previous } = input;
  const { lastAttemptAt: attempted, silentSince: silent } = previous?.documents ?? {};
  const lastAttemptAt = hearing.lastAttempt === undefined ? attempted : time(hearing.lastAttempt);
  const said = hearing.lastContact === undefined ? silent : undefined;
  const since = endedDocuments(input, memory, waitingOf(verdict)).public ?? hearing.silentSince;
  const silentSince = said ?? (since === undefined ? undefined : time(since));
  return {
    ...(lastAttemptAt === undefined ? {} : { lastAttemptAt }),
    ...(silentSince === undefined ? {} : { silentSince }),
  };
}

/** A document that was taken counts as fetched when it was last confirmed; what was heard but not taken confirms nothing. */
function fetchedStatus(
  { fetchedAt, changedAt, digest, seq }: RememberedDocument,
  heard: HeardDocument | undefined,
  confirmedAt: number | undefined,
): NonNullable<Documents['public']> {
  const confirmed = heard?.at === fetchedAt ? (confirmedAt ?? fetchedAt) : fetchedAt;
  return { fetchedAt: time(Math.max(fetchedAt, confirmed)), changedAt: time(changedAt), digest, seq };
}

function gatewayStatus(
  { probes }: PeerInput,
  gateways: readonly GatewayAddress[],
): NonNullable<PeerStatus['gateways']> {
  const total = gateways.length;
  const reachable = probes.filter((probe) => probe.reachable).length;
  return { total, reachable, summary: `${reachable}/${total}`, addresses: probes.slice(0, 100) };
}

/** Kubernetes' time format, to the second. */
export function time(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
