import type { Finding } from '#model';
import { bad, good, unknown } from '#reconcile';
import type { Judgement } from '#reconcile';
import {
  gatewaysReachable,
  leavingJudgements,
  metadataSynced,
  revokedJudgements,
  trustEstablished,
  trustUnscoped,
} from '../peer/conditions.js';
import type { PeerPublication } from '../publication/decide.js';
import type { FederationInput, FederationVerdict } from './decide.js';
import { contentOf } from './read-documents.js';

/** All conditions of one IstioFederation as they stand; pure. */
export function judgeConditions(input: FederationInput, verdict: FederationVerdict): readonly Judgement[] {
  if (verdict.leaving) return leavingJudgements;
  const revoked = revokedJudgements(input);
  if (revoked !== undefined) return revoked;
  return [
    trustEstablished(input, verdict),
    metadataSynced(input, verdict, removalHeld(verdict)),
    servicesImported(input, verdict),
    servicesExported(input, verdict),
    ...gatewaysReachable(input, verdict, contentOf(verdict.memory)?.ingressGateways ?? []),
    ...trustUnscoped(input),
  ];
}

function removalHeld({ removal }: FederationVerdict): Judgement | undefined {
  if (removal === undefined) return undefined;
  return bad(
    'MetadataSynced',
    'RemovalHeld',
    `the new document removes ${removal.removed.length} services at once; held until ${new Date(removal.until).toISOString()}. To let it through, annotate with isthmus.dev/accept-removal=${removal.digest}, or =true for the document that is held then`,
  );
}

function servicesImported(input: FederationInput, verdict: FederationVerdict): Judgement {
  const type = 'ServicesImported';
  const { publication, memoryFault } = input;
  if (memoryFault !== undefined)
    return unknown(type, 'MemoryUnreadable', `${publication?.imported ?? 0} services stay as they were written last`);
  if (publication === undefined || verdict.memory?.privateDocument === undefined)
    return unknown(type, 'Progressing', 'nothing has been offered yet');
  if (!publication.trusted) return untrusted(type, publication, 'nothing of it is imported');
  if (publication.withdrawn > 0)
    return bad(
      type,
      'Drained',
      `stalePolicy has withdrawn the endpoints of ${publication.withdrawn} services of this silent peer`,
    );
  if (input.unwritten !== undefined)
    return bad(
      type,
      'ReconcileFailed',
      `${input.unwritten.services} of ${publication.imported} services could not be written or removed, and are tried again: ${input.unwritten.message}`,
    );
  const against = [...publication.findings.filter(({ reason }) => reason !== 'TrustShared'), ...verdict.findings];
  const [first] = against;
  if (first === undefined) return good(type, 'Succeeded', `${publication.imported} services`);
  return bad(type, first.reason, summary(first, against.length, `${publication.imported} services are imported`));
}

/** Not trusted for a reason, or not yet. */
function untrusted(type: string, { findings, trustWithdrawn }: PeerPublication, so: string): Judgement {
  const message = `the peer is not trusted: ${so}`;
  return findings.length > 0 || trustWithdrawn
    ? bad(type, 'FailedClosed', message)
    : unknown(type, 'Progressing', message);
}

function servicesExported(input: FederationInput, { memory }: FederationVerdict): Judgement {
  const type = 'ServicesExported';
  const { publication, memoryFault } = input;
  if (publication === undefined || (memory === undefined && memoryFault === undefined))
    return unknown(type, 'Progressing', 'not yet judged');
  if (!publication.trusted) return untrusted(type, publication, 'nothing is offered to it');
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
