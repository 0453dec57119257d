import { REASONS } from '#crd';
import { counted } from '#model';
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
import { standingImports } from '../publication/peer-publication.js';
import type { PeerPublication } from '../publication/peer-publication.js';
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
    `the new document removes ${counted(removal.removed.length, 'service')} at once; held until ${new Date(removal.until).toISOString()}. To let it through, annotate with isthmus.dev/accept-removal=${removal.digest}, or =true for the document that is held then`,
  );
}

function servicesImported(input: FederationInput, verdict: FederationVerdict): Judgement {
  const type = 'ServicesImported';
  const { publication, memoryFault } = input;
  if (memoryFault !== undefined)
    return unknown(type, 'MemoryUnreadable', `as written last, with ${counted(publication?.imported ?? 0, 'service')}`);
  if (publication === undefined || verdict.memory?.privateDocument === undefined)
    return unknown(type, 'Progressing', 'nothing has been offered yet');
  if (!publication.trusted) return untrusted(type, publication, 'nothing of it is imported');
  if (!publication.heard) return unknown(type, 'Progressing', 'what it offers is not planned yet');
  if (publication.withdrawn > 0)
    return bad(
      type,
      'Drained',
      `stalePolicy has withdrawn the endpoints of ${counted(publication.withdrawn, 'service')} of this silent peer`,
    );
  if (input.unwritten !== undefined)
    return bad(
      type,
      'ReconcileFailed',
      `${input.unwritten.services} of ${counted(publication.imported, 'service')} not written or removed, to be tried again: ${input.unwritten.message}`,
    );
  const against = [...publication.findings.filter(({ reason }) => reason !== 'TrustShared'), ...verdict.findings];
  const [first] = against;
  const standing = standingImports(input);
  if (first !== undefined)
    return bad(type, first.reason, summary(first, against.length, `${counted(standing, 'service')} imported`));
  const all = counted(publication.imported, 'service');
  return standing === publication.imported
    ? good(type, 'Succeeded', all)
    : unknown(type, 'Progressing', `${standing} of ${all} stand; the others are being written`);
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
  if (first === undefined) return good(type, 'Succeeded', counted(publication.exported, 'service'));
  const message = summary(
    first,
    publication.exportFindings.length,
    `${counted(publication.exported, 'service')} offered`,
  );
  return isNotice(first) ? good(type, first.reason, message) : bad(type, first.reason, message);
}

const notices: ReadonlySet<string> = new Set([
  REASONS.SharedTargetPort,
  REASONS.PlainTextReachable,
  REASONS.PortUnnamed,
  REASONS.NoMeshEndpoints,
  REASONS.ServiceInvalid,
  REASONS.TooManyGateways,
]);

/**
 * What is amiss with Services, workloads and the number of gateways of ours is their owners' to mend and the same for every peer: told, but no
 * reason to call a hundred peers unready, among which one that really fails would not be seen.
 */
function isNotice({ reason }: Finding): boolean {
  return notices.has(reason);
}

function summary(first: Finding, count: number, done: string): string {
  const subject = first.subject === undefined ? '' : `${first.subject}: `;
  const more = count > 1 ? ` (and ${count - 1} more, see status.findings)` : '';
  return `${subject}${first.message}${more}; ${done}`;
}
