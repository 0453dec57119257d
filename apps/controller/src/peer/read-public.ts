import { createHash } from 'node:crypto';
import type { Finding } from '#model';
import { decodePublicDocument } from '#protocol';
import type { Fault } from '#protocol';
import { authorityOf, documentSkewMs, judgePins, readPrivateDocument, readPublicDocument } from '#trust';
import type {
  PendingApproval,
  PeerMemory,
  PrivateDocumentVerdict,
  PublicDocumentInput,
  PublicDocumentVerdict,
  RememberedDocument,
} from '#trust';
import type { HeardDocument } from '../peer-link/hearing.js';
import type { PeerInput, PeerResource } from './input.js';

/** What a document's reading came to: the memory afterwards, and what stands against the new document, if anything. */
export interface Reading {
  readonly memory: PeerMemory | undefined;
  readonly against?: Finding;
  /** What the document shows that a person must approve. */
  readonly pending?: PendingApproval;
  /** Faults of single parts; the rest of the document counts. */
  readonly findings: readonly Finding[];
}

/** Reads the public document last heard; the old memory stays when it is refused or held. Pins are judged anew on every look. */
export function readPublic(
  input: PeerInput,
  resource: PeerResource,
  expected: Pick<PublicDocumentInput, 'trustDomain' | 'clusterDomain'>,
): Reading {
  const reading = readHeard(input, resource, expected);
  const pins = pinsOf(resource.spec.pins ?? {});
  const digest = createHash('sha256').update(JSON.stringify(pins)).digest('hex');
  const { memory } = reading;
  if (memory === undefined || reading.against !== undefined || memory.pinnedBy === digest) return reading;
  switch (judgePins(memory.facts, pins)) {
    case 'silent':
      return reading;
    case 'vouch':
      return { ...reading, memory: { ...memory, firstContact: 'Pinned', pinnedBy: digest } };
    case 'contradict':
      return {
        ...reading,
        against: {
          reason: 'PinMismatch',
          message:
            'spec.pins names neither a root nor a key that this peer was met with (status.peer shows them); what was learnt goes on. Correct the pins, or delete the resource to end trust',
        },
      };
  }
}

function readHeard(
  input: PeerInput,
  { spec }: PeerResource,
  expected: Pick<PublicDocumentInput, 'trustDomain' | 'clusterDomain'>,
): Reading {
  const { memory, hearing } = input;
  const heard = hearing.publicDocument;
  if (heard === undefined) return { memory, findings: [] };
  const decoded = decodePublicDocument(heard.body);
  if (!decoded.ok) return { memory, against: invalid(decoded.faults), findings: [] };
  const verdict = atEitherTime(input, heard, (now) =>
    readPublicDocument({
      document: decoded.value,
      proven: input.proven,
      ...(memory === undefined ? {} : { known: memory.facts }),
      ...(spec.pins === undefined ? {} : { pins: pinsOf(spec.pins) }),
      ...expected,
      ownClusterUUID: input.ownClusterUUID,
      verifiedByCa: spec.metadata?.ca !== undefined,
      now,
    }),
  );
  if (verdict.kind !== 'accepted') {
    // The very document that was taken, again: that it has ended since is told by its age.
    if (isTakenAndEnded(memory, heard)) return { memory, findings: [] };
    const against = { reason: verdict.reason, message: verdict.message };
    return { memory, against, ...(verdict.kind === 'held' ? { pending: verdict.pending } : {}), findings: [] };
  }
  const taken = takenRoot(input, verdict.facts);
  if (taken !== undefined) return { memory, against: taken, findings: [] };
  const publicDocument = remembered(memory?.publicDocument, heard, verdict.facts.seq);
  const base = memory ?? { version: 1 as const, firstContact: verdict.firstContact, firstContactAt: input.now };
  return { memory: { ...base, facts: verdict.facts, publicDocument }, findings: [] };
}

function isTakenAndEnded(memory: PeerMemory | undefined, { body, at }: HeardDocument): boolean {
  const { expiresAt = Infinity } = memory?.facts ?? {};
  return expiresAt < at - documentSkewMs && memory?.publicDocument.digest === digestOf(body);
}

/**
 * A document is judged as of the moment when it came: once taken it is not refused for its age, which is for stalePolicy to judge. One that came
 * too early, by a clock that is ahead, may be good by now.
 */
function atEitherTime(
  input: PeerInput,
  heard: HeardDocument,
  judge: (now: number) => PublicDocumentVerdict,
): PublicDocumentVerdict {
  const then = judge(heard.at);
  if (then.kind === 'accepted' || heard.at === input.now) return then;
  const now = judge(input.now);
  return now.kind === 'accepted' ? now : then;
}

/** A root belongs to the trust domain that showed it first: who shows another's is refused, its owner goes on (trust rule 8). */
function takenRoot({ claimedRoots, memory }: PeerInput, facts: PeerMemory['facts']): Finding | undefined {
  const ours = new Set(memory?.facts.roots.map(authorityOf));
  for (const authority of facts.roots.map(authorityOf)) {
    const owner = claimedRoots.get(authority);
    // One cluster under two resources is a matter of its UUID.
    const same = owner?.trustDomain === facts.trustDomain || owner?.clusterUUID === facts.clusterUUID;
    if (owner === undefined || same || ours.has(authority)) continue;
    return {
      reason: 'SharedRoot',
      message: `the CA key sha256:${authority} is already that of ${owner.name}, under trust domain ${owner.trustDomain}: either could mint the other’s identities, so this document is not taken`,
    };
  }
  return undefined;
}

/** Judges the signature of the private document last heard against what the public one gave. */
export function judgePrivate(
  input: PeerInput,
  memory: PeerMemory,
  heard: HeardDocument,
  signed: string | undefined,
): Exclude<PrivateDocumentVerdict, { kind: 'refused' }> | { readonly kind: 'refused'; readonly against: Finding } {
  const judge = (now: number): PrivateDocumentVerdict =>
    readPrivateDocument({
      ...(signed === undefined ? {} : { signed }),
      proven: input.proven,
      facts: memory.facts,
      ownClusterUUID: input.ownClusterUUID,
      lastSeq: memory.privateDocument?.seq ?? 0,
      now,
    });
  const then = judge(heard.at);
  const verdict = then.kind === 'refused' ? judge(input.now) : then;
  return verdict.kind === 'refused'
    ? { kind: 'refused', against: { reason: verdict.reason, message: verdict.message } }
    : verdict;
}

/** Sequence of a private document, and when it ends (Unix ms); a legacy peer's has neither. */
export function freshnessOf(verdict: Exclude<PrivateDocumentVerdict, { kind: 'refused' }>): {
  readonly seq: number;
  readonly expiresAt?: number;
} {
  return verdict.kind === 'signed' ? { seq: verdict.seq, expiresAt: verdict.expiresAt } : { seq: 0 };
}

/** What is kept of a document that was taken. */
export function remembered(
  before: RememberedDocument | undefined,
  heard: HeardDocument,
  seq: number,
  content = heard.body,
): RememberedDocument {
  const digest = digestOf(content);
  const changedAt = before?.digest === digest ? before.changedAt : heard.at;
  return { seq, fetchedAt: heard.at, changedAt, digest };
}

function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** Faults of a document of which nothing can be used. */
export function invalid(faults: readonly Fault[]): Finding {
  const [first] = faults;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return {
    reason: 'DocumentInvalid',
    message:
      first === undefined ? 'the document is not valid' : `${first.field}: ${first.value}: ${first.message}${more}`,
  };
}

/** Faults of parts that were left out. */
export function findingsOf(faults: readonly Fault[]): readonly Finding[] {
  return faults.map(({ reason, field, value, message }) => ({
    reason,
    subject: field,
    message: `${value}: ${message}`,
  }));
}

function pinsOf(pins: NonNullable<PeerResource['spec']['pins']>): {
  readonly roots?: readonly string[];
  readonly keys?: readonly string[];
} {
  return {
    ...(pins.roots === undefined ? {} : { roots: pins.roots }),
    ...(pins.keys === undefined ? {} : { keys: pins.keys }),
  };
}
