import type { FetchFailure } from '#peer-client';
import { counted } from '#model';
import type { GatewayAddress } from '#model';
import { bad, good, unknown } from '#reconcile';
import type { Judgement } from '#reconcile';
import type { PeerMemory } from '#trust';
import { resourceOf } from './input.js';
import type { PeerInput } from './input.js';
import { endedDocuments } from './silence.js';
import { waitingOf } from './verdict.js';
import type { PeerVerdict } from './verdict.js';

const forgivenSkewMs = 30_000;

/** The one condition of a resource that is being deleted. */
export const leavingJudgements: readonly Judgement[] = [
  bad('TrustEstablished', 'Terminating', 'the resource is being deleted: trust ends and what it produced is removed'),
];

/** All that is said of a peer from which the operator has withdrawn trust; undefined of another. */
export function revokedJudgements(input: PeerInput): readonly Judgement[] | undefined {
  if (resourceOf(input)?.spec.revoked !== true) return undefined;
  const type = 'TrustEstablished';
  if (input.publication?.trusted === true)
    return [bad(type, 'Revoked', 'spec.revoked is true: trust is being withdrawn')];
  const message = `spec.revoked is true: nothing of this peer is trusted, imported or served; status.revocation tells what was cut${keptOpen(input)}. Set it to false to trust the peer again as it was known`;
  return [bad(type, 'Revoked', message)];
}

/** True where this cluster, or another peer, has the peer's trust domain too: then its root alone tells its workloads apart, at each handshake. */
export function trustDomainIsShared({ memory, mesh, claimedRoots, ownClusterUUID }: PeerInput): boolean {
  if (memory === undefined) return false;
  const { trustDomain, clusterUUID } = memory.facts;
  if (trustDomain === mesh.trustDomain && clusterUUID !== ownClusterUUID) return true;
  return [...claimedRoots.values()].some(
    (owner) => owner.trustDomain === trustDomain && owner.clusterUUID !== clusterUUID,
  );
}

/** What the end of trust leaves open, as the rest of a sentence; nothing where it leaves nothing. */
export function keptOpen(input: PeerInput): string {
  if (!trustDomainIsShared(input)) return '';
  return `; trust domain ${input.memory?.facts.trustDomain ?? ''} is not its alone, so new connections of its workloads are refused and open ones live until they end (restart the workloads that hold them)`;
}

/** Are the peer's identity, roots and keys known and accepted? */
export function trustEstablished(input: PeerInput, verdict: PeerVerdict): Judgement {
  const type = 'TrustEstablished';
  const { publicAgainst, memory } = verdict;
  if (publicAgainst !== undefined) return bad(type, publicAgainst.reason, publicAgainst.message);
  if (memory === undefined) return noContact(type, input.hearing.publicFailure);
  const refusal = input.publication?.findings.find(({ reason }) =>
    ['UUIDConflict', 'TrustDomainConflict', 'SharedRoot', 'TrustTooLarge'].includes(reason),
  );
  if (input.publication?.trusted === false) {
    if (refusal !== undefined) return bad(type, refusal.reason, refusal.message);
    return input.publication.trustWithdrawn
      ? bad(type, 'FailedClosed', 'stalePolicy has withdrawn trust in this silent peer')
      : unknown(type, 'Progressing', 'its documents were accepted just now; trust follows with the next pass');
  }
  if (memory.firstContact === 'Blind') {
    return good(type, 'BlindFirstContact', metBlindly(input, memory));
  }
  return good(type, 'Succeeded', memory.firstContact === 'Pinned' ? vouchedByPins(input, memory) : verifiedByCa(input));
}

/** Where nothing is verified and nothing signed, whoever stands in between can be the peer at any time, not at first contact alone (trust rule 13). */
function metBlindly(input: PeerInput, { facts }: PeerMemory): string {
  const compare = 'Compare status.peer with the peer’s operator, then set spec.pins';
  if (!facts.signed && resourceOf(input)?.spec.metadata?.insecureSkipVerify === true)
    return `trusted as it showed itself, and it signs nothing while metadata.insecureSkipVerify leaves its endpoint unverified: whoever stands in between can impersonate it. Set metadata.ca in its place; without one: ${compare}, roots and keys`;
  return `trusted as it showed itself: neither pins nor metadata.ca vouched for it. ${compare}`;
}

/** What spec.pins names now, and how the other half of a signed document follows from it; a legacy peer's halves are not tied together. */
function vouchedByPins(input: PeerInput, { facts }: PeerMemory): string {
  const { roots = [], keys = [] } = resourceOf(input)?.spec.pins ?? {};
  if (roots.length > 0 && keys.length > 0) return 'root and key are pinned';
  const named = roots.length > 0 ? 'roots alone' : keys.length > 0 ? 'keys alone' : 'nothing';
  if (!facts.signed || named === 'nothing') return `pins vouched for it before; spec.pins names ${named} now`;
  return roots.length > 0
    ? 'its root is pinned; a certificate under it vouches for its signing key, which spec.pins does not name'
    : 'its signing key is pinned; that key signed its roots, which spec.pins does not name';
}

/** What holds now is said beside what held at first contact. */
function verifiedByCa(input: PeerInput): string {
  const endpoint = resourceOf(input)?.spec.metadata;
  if (endpoint?.insecureSkipVerify === true && endpoint.ca === undefined)
    return 'its metadata endpoint was verified by metadata.ca at first contact; now insecureSkipVerify is set: what was learnt then is what is trusted, but whoever stands in between sees and may withhold documents. Set spec.pins or metadata.ca';
  return endpoint?.ca === undefined
    ? 'its metadata endpoint was verified by metadata.ca at first contact'
    : 'its metadata endpoint is verified by metadata.ca';
}

function noContact(type: string, failure: FetchFailure | undefined): Judgement {
  return failure === undefined
    ? unknown(type, 'Progressing', 'the public document is being fetched')
    : bad(type, reasonOf(failure), failure.message);
}

function reasonOf(failure: FetchFailure): string {
  if (failure.reason === 'InvalidDocument') return 'DocumentInvalid';
  return failure.reason === 'RateLimited' ? 'Unreachable' : failure.reason;
}

/** Did the last fetch of its documents succeed? `held` = what holds a document back that came. */
export function metadataSynced(input: PeerInput, verdict: PeerVerdict, held?: Judgement): Judgement {
  const type = 'MetadataSynced';
  const { hearing } = input;
  const { pending, publicAgainst, privateAgainst, memory } = verdict;
  const ended = endedMessage(input, verdict, held !== undefined);
  if (ended !== undefined) return bad(type, 'StaleKeepingLastKnownGood', ended);
  // Signed by a key that waits: what is to be done about it is told at the key.
  if (pending !== undefined && publicAgainst !== undefined && privateAgainst !== undefined)
    return bad(type, publicAgainst.reason, `what it last said goes on: ${publicAgainst.message}`);
  if (privateAgainst !== undefined) return bad(type, privateAgainst.reason, privateAgainst.message);
  const failure = hearing.privateFailure ?? hearing.publicFailure;
  if (failure !== undefined) return failing(input, verdict, failure);
  if (held !== undefined) return held;
  if (memory?.privateDocument === undefined) return unknown(type, 'Progressing', 'no private document has come yet');
  if (hearing.mode === 'none')
    return unknown(type, 'Progressing', 'the last known document is used; the peer is being asked');
  return good(type, 'Succeeded', hearing.mode === 'stream' ? 'documents are streamed' : 'documents are polled');
}

/** Why a peer that answers in good order is stale all the same. */
function endedMessage(input: PeerInput, verdict: PeerVerdict, held: boolean): string | undefined {
  const { memory, publicAgainst, privateAgainst } = verdict;
  const { hearing, now } = input;
  if (hearing.publicFailure !== undefined) return undefined;
  const { public: open, private: closed } = endedDocuments(input, memory, waitingOf(verdict, held));
  const end = open ?? closed;
  if (end === undefined) return undefined;
  const against = open === undefined ? (privateAgainst ?? publicAgainst) : publicAgainst;
  const why =
    against === undefined
      ? `no newer one has come${privateAgainst === undefined ? '' : `; what it shows now is refused (${privateAgainst.message})`}: either its controller renews nothing, or what stands in between repeats an old answer`
      : `what it shows now is not taken (${against.reason}: ${against.message})`;
  const costs = open === undefined ? 'for its services silence counts' : 'silence counts';
  const answers = hearing.lastContact === undefined ? '' : 'the peer answers, but ';
  return `${answers}its ${open === undefined ? 'private' : 'public'} document ended ${Math.round((now - end) / 1000)} s ago and ${why}. What it last said goes on; ${costs} from that end`;
}

function failing(input: PeerInput, { memory }: PeerVerdict, failure: FetchFailure): Judgement {
  const type = 'MetadataSynced';
  const offset = input.hearing.publicDocument?.clockOffsetMs ?? 0;
  if (failure.reason === 'TokenRejected' && Math.abs(offset) > forgivenSkewMs) {
    return bad(
      type,
      'ClockSkew',
      `${failure.message} The peer’s clock is ${Math.round(Math.abs(offset) / 1000)} s ${offset > 0 ? 'ahead of' : 'behind'} ours: synchronise both`,
    );
  }
  if (memory?.privateDocument === undefined || failure.reason === 'TokenRejected')
    return bad(type, reasonOf(failure), failure.message);
  const age = Math.round((input.now - memory.privateDocument.fetchedAt) / 1000);
  // A peer that answers what is no document is not silent: the operator must look at it, not at the network.
  const reason = failure.reason === 'InvalidDocument' ? reasonOf(failure) : 'StaleKeepingLastKnownGood';
  return bad(type, reason, `${failure.message} The last good document, ${age} s old, goes on`);
}

/** Do the peer's gateways accept a TCP connection? Absent until a document named any. */
export function gatewaysReachable(
  input: PeerInput,
  { memory }: PeerVerdict,
  gateways: readonly GatewayAddress[],
): readonly Judgement[] {
  const type = 'GatewaysReachable';
  if (memory?.privateDocument === undefined) return [];
  if (gateways.length === 0)
    return [
      bad(
        type,
        'NoGateways',
        'the peer names no gateway: calls to its services cannot leave; it must expose its east-west gateway',
      ),
    ];
  if (input.probes.length === 0) {
    const refused = input.publication?.findings.find(
      ({ reason, subject }) => reason === 'AddressRefused' && subject !== 'apiHost',
    );
    return [
      refused === undefined
        ? unknown(type, 'Progressing', 'not yet probed')
        : bad(type, refused.reason, refused.message),
    ];
  }
  const dead = input.probes.filter(({ reachable }) => !reachable);
  const [first] = dead;
  if (first === undefined) return [good(type, 'Succeeded', `${counted(input.probes.length, 'gateway')} reachable`)];
  return [
    bad(
      type,
      'Unreachable',
      `${dead.length} of ${counted(input.probes.length, 'gateway')} without answer: ${first.address}:${first.port}: ${first.message ?? 'no answer'}. Check that its gateway runs, and that nothing between the clusters keeps us from it`,
    ),
  ];
}

/** Said only where it is so. */
export function trustUnscoped({ trustUnscoped: unscoped }: PeerInput): readonly Judgement[] {
  if (!unscoped) return [];
  const message =
    'mesh.enabled is false: the istiod of this cluster pools all roots, so that each peer’s root could mint identities of any trust domain; our own mesh core keeps them apart';
  return [{ type: 'TrustUnscoped', status: 'True', reason: 'TrustUnscoped', message }];
}
