import type { Finding } from '#model';
import { bad, good, unknown } from '#reconcile';
import type { Judgement } from '#reconcile';
import type { FetchFailure } from '#peer-client';
import type { FederationVerdict } from './decide.js';
import { contentOf } from './read-documents.js';
import type { FederationInput } from './input.js';

const forgivenSkewMs = 30_000;

/** All conditions of one IstioFederation as they stand; pure. */
export function judgeConditions(input: FederationInput, verdict: FederationVerdict): readonly Judgement[] {
  if (verdict.leaving)
    return [
      bad(
        'TrustEstablished',
        'Terminating',
        'the resource is being deleted: trust ends and what it produced is removed',
      ),
    ];
  return [
    trustEstablished(input, verdict),
    metadataSynced(input, verdict),
    servicesImported(input, verdict),
    servicesExported(input, verdict),
    ...gatewaysReachable(input, verdict),
  ];
}

function trustEstablished(input: FederationInput, verdict: FederationVerdict): Judgement {
  const type = 'TrustEstablished';
  const { publicAgainst, memory } = verdict;
  if (publicAgainst !== undefined) return bad(type, publicAgainst.reason, publicAgainst.message);
  if (memory === undefined) return noContact(type, input.hearing.publicFailure);
  const refusal = input.publication?.findings.find(({ reason }) =>
    ['UUIDConflict', 'TrustDomainConflict', 'SharedRoot'].includes(reason),
  );
  if (input.publication?.trusted === false) {
    return refusal === undefined
      ? bad(type, 'FailedClosed', 'stalePolicy has withdrawn trust in this silent peer')
      : bad(type, refusal.reason, refusal.message);
  }
  if (memory.firstContact === 'Blind') {
    return good(
      type,
      'BlindFirstContact',
      'trusted as it showed itself: neither pins nor metadata.ca vouched for it. Compare status.peer with the peer’s operator, then set spec.pins',
    );
  }
  return good(
    type,
    'Succeeded',
    memory.firstContact === 'Pinned' ? 'root and key are pinned' : 'its metadata endpoint was verified by metadata.ca',
  );
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

function metadataSynced(input: FederationInput, verdict: FederationVerdict): Judgement {
  const type = 'MetadataSynced';
  const { hearing } = input;
  const { privateAgainst, memory, removal } = verdict;
  if (privateAgainst !== undefined) return bad(type, privateAgainst.reason, privateAgainst.message);
  const failure = hearing.privateFailure ?? hearing.publicFailure;
  if (failure !== undefined) return failing(input, verdict, failure);
  if (removal !== undefined) {
    return bad(
      type,
      'RemovalHeld',
      `the new document removes ${removal.removed.length} services at once; held until ${new Date(removal.until).toISOString()}. Annotate with isthmus.dev/accept-removal=true to let it through`,
    );
  }
  if (memory?.privateDocument === undefined) return unknown(type, 'Progressing', 'no private document has come yet');
  if (hearing.mode === 'none')
    return unknown(type, 'Progressing', 'the last known document is used; the peer is being asked');
  return good(type, 'Succeeded', hearing.mode === 'stream' ? 'documents are streamed' : 'documents are polled');
}

function failing(input: FederationInput, { memory }: FederationVerdict, failure: FetchFailure): Judgement {
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
  return bad(type, 'StaleKeepingLastKnownGood', `${failure.message} The last good document, ${age} s old, goes on`);
}

function servicesImported(input: FederationInput, verdict: FederationVerdict): Judgement {
  const type = 'ServicesImported';
  const { publication } = input;
  if (publication === undefined || verdict.memory?.privateDocument === undefined)
    return unknown(type, 'Progressing', 'nothing has been offered yet');
  if (!publication.trusted) return bad(type, 'FailedClosed', 'the peer is not trusted: nothing of it is imported');
  if (publication.withdrawn > 0)
    return bad(
      type,
      'Drained',
      `stalePolicy has withdrawn the endpoints of ${publication.withdrawn} services of this silent peer`,
    );
  const against = [...publication.findings.filter(({ reason }) => reason !== 'TrustShared'), ...verdict.findings];
  const [first] = against;
  if (first === undefined) return good(type, 'Succeeded', `${publication.imported} services`);
  return bad(type, first.reason, summary(first, against.length, `${publication.imported} services are imported`));
}

function servicesExported(input: FederationInput, { memory }: FederationVerdict): Judgement {
  const type = 'ServicesExported';
  const { publication } = input;
  if (publication === undefined || memory === undefined) return unknown(type, 'Progressing', 'not yet judged');
  if (!publication.trusted) return bad(type, 'FailedClosed', 'the peer is not trusted: nothing is offered to it');
  const [first] = [...publication.exportFindings].sort((x, y) => Number(isNotice(x)) - Number(isNotice(y)));
  if (first === undefined) return good(type, 'Succeeded', `${publication.exported} services`);
  const message = summary(first, publication.exportFindings.length, `${publication.exported} services are offered`);
  return isNotice(first) ? good(type, first.reason, message) : bad(type, first.reason, message);
}

/** Worth knowing, but everything that was asked for is done: a Service and its headless twin share a port on purpose. */
function isNotice({ reason }: Finding): boolean {
  return reason === 'SharedTargetPort';
}

function summary(first: Finding, count: number, done: string): string {
  const subject = first.subject === undefined ? '' : `${first.subject}: `;
  const more = count > 1 ? ` (and ${count - 1} more, see status.findings)` : '';
  return `${subject}${first.message}${more}; ${done}`;
}

function gatewaysReachable(input: FederationInput, { memory }: FederationVerdict): readonly Judgement[] {
  const type = 'GatewaysReachable';
  if (memory?.privateDocument === undefined) return [];
  if ((contentOf(memory)?.ingressGateways.length ?? 0) === 0)
    return [
      bad(
        type,
        'NoGateways',
        'the peer names no gateway: calls to its services cannot leave; it must expose its east-west gateway',
      ),
    ];
  if (input.probes.length === 0) return [unknown(type, 'Progressing', 'not yet probed')];
  const dead = input.probes.filter(({ reachable }) => !reachable);
  const [first] = dead;
  if (first === undefined) return [good(type, 'Succeeded', `${input.probes.length} gateways accept connections`)];
  return [
    bad(
      type,
      'Unreachable',
      `${dead.length} of ${input.probes.length} gateways do not answer: ${first.address}:${first.port}: ${first.message ?? 'no answer'}`,
    ),
  ];
}
