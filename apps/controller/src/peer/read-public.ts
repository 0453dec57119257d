import { createHash } from 'node:crypto';
import type { Finding } from '#model';
import { decodePublicDocument } from '#protocol';
import type { Fault } from '#protocol';
import { readPrivateDocument, readPublicDocument } from '#trust';
import type { PeerMemory, PrivateDocumentVerdict, PublicDocumentInput, RememberedDocument } from '#trust';
import type { HeardDocument } from '../peer-link/hearing.js';
import type { PeerInput, PeerResource } from './input.js';

/** What a document's reading came to: the memory afterwards, and what stands against the new document, if anything. */
export interface Reading {
  readonly memory: PeerMemory | undefined;
  readonly against?: Finding;
  /** Faults of single parts; the rest of the document counts. */
  readonly findings: readonly Finding[];
}

/** Reads the public document last heard; the old memory stays when it is refused or held. */
export function readPublic(
  input: PeerInput,
  { spec }: PeerResource,
  expected: Pick<PublicDocumentInput, 'trustDomain' | 'clusterDomain'>,
): Reading {
  const { memory, hearing } = input;
  const heard = hearing.publicDocument;
  if (heard === undefined) return { memory, findings: [] };
  const decoded = decodePublicDocument(heard.body);
  if (!decoded.ok) return { memory, against: invalid(decoded.faults), findings: [] };
  const verdict = readPublicDocument({
    document: decoded.value,
    ...(memory === undefined ? {} : { known: memory.facts }),
    ...(spec.pins === undefined ? {} : { pins: pinsOf(spec.pins) }),
    ...expected,
    ownClusterUUID: input.ownClusterUUID,
    verifiedByCa: spec.metadata?.ca !== undefined,
    now: input.now,
  });
  if (verdict.kind !== 'accepted')
    return { memory, against: { reason: verdict.reason, message: verdict.message }, findings: [] };
  const publicDocument = remembered(memory?.publicDocument, heard, verdict.facts.seq);
  const base = memory ?? { version: 1 as const, firstContact: verdict.firstContact, firstContactAt: input.now };
  return { memory: { ...base, facts: verdict.facts, publicDocument }, findings: [] };
}

/** Judges the signature of the private document last heard against what the public one gave. */
export function judgePrivate(
  input: PeerInput,
  memory: PeerMemory,
  signed: string | undefined,
): Exclude<PrivateDocumentVerdict, { kind: 'refused' }> | { readonly kind: 'refused'; readonly against: Finding } {
  const verdict = readPrivateDocument({
    ...(signed === undefined ? {} : { signed }),
    facts: memory.facts,
    ownClusterUUID: input.ownClusterUUID,
    lastSeq: memory.privateDocument?.seq ?? 0,
    now: input.now,
  });
  return verdict.kind === 'refused'
    ? { kind: 'refused', against: { reason: verdict.reason, message: verdict.message } }
    : verdict;
}

/** What is kept of a document that was taken. */
export function remembered(
  before: RememberedDocument | undefined,
  heard: HeardDocument,
  seq: number,
  content = heard.body,
): RememberedDocument {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const changedAt = before?.digest === digest ? before.changedAt : heard.at;
  return { seq, fetchedAt: heard.at, changedAt, digest };
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
