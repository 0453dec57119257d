import { createHash } from 'node:crypto';
import type { IstioFederation } from '#crd';
import type { Finding } from '#model';
import { removalAccepted, removalBrake } from '#planner';
import type { RemovalVerdict } from '#planner';
import { decodeFederationDocument, decodePublicDocument, federationContent } from '#protocol';
import type { Fault, FederationContent } from '#protocol';
import { readPrivateDocument, readPublicDocument } from '#trust';
import type { PeerMemory, RememberedDocument } from '#trust';
import type { HeardDocument } from '../peer-link/hearing.js';
import type { FederationInput } from './input.js';

/** What a document's reading came to: the memory afterwards, and what stands against the new document, if anything. */
export interface Reading {
  readonly memory: PeerMemory | undefined;
  readonly against?: Finding;
  readonly removal?: Extract<RemovalVerdict, { kind: 'hold' }>;
  /** Faults of single services; the rest of the document counts. */
  readonly findings: readonly Finding[];
}

/** Reads the public document last heard; the old memory stays when it is refused or held. */
export function readPublic(input: FederationInput, resource: IstioFederation): Reading {
  const { memory, hearing } = input;
  const heard = hearing.publicDocument;
  if (heard === undefined) return { memory, findings: [] };
  const decoded = decodePublicDocument(heard.body);
  if (!decoded.ok) return { memory, against: invalid(decoded.faults), findings: [] };
  const { spec } = resource;
  const verdict = readPublicDocument({
    document: decoded.value,
    ...(memory === undefined ? {} : { known: memory.facts }),
    ...(spec.pins === undefined ? {} : { pins: pinsOf(spec.pins) }),
    trustDomain: spec.trustDomain,
    clusterDomain: spec.clusterDomain ?? spec.trustDomain,
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

/** Reads the private document last heard, on the facts that the public one gave. */
export function readPrivate(
  input: FederationInput,
  resource: IstioFederation,
  memory: PeerMemory | undefined,
): Reading {
  const heard = input.hearing.privateDocument;
  if (heard === undefined || memory === undefined) return { memory, findings: [] };
  const decoded = decodeFederationDocument(heard.body);
  if (!decoded.ok) return { memory, against: invalid(decoded.faults), findings: [] };
  const verdict = readPrivateDocument({
    ...(decoded.value.signed === undefined ? {} : { signed: decoded.value.signed }),
    facts: memory.facts,
    ownClusterUUID: input.ownClusterUUID,
    lastSeq: memory.privateDocument?.seq ?? 0,
    now: input.now,
  });
  if (verdict.kind === 'refused')
    return { memory, against: { reason: verdict.reason, message: verdict.message }, findings: [] };
  const content =
    verdict.kind === 'signed' ? federationContent(verdict.content) : { ok: true as const, value: decoded.value };
  if (!content.ok) return { memory, against: invalid(content.faults), findings: [] };
  const seq = verdict.kind === 'signed' ? verdict.seq : 0;
  return braked(input, resource, memory, { heard, seq, content: content.value });
}

interface NewContent {
  readonly heard: HeardDocument;
  readonly seq: number;
  readonly content: FederationContent;
}

function braked(input: FederationInput, resource: IstioFederation, memory: PeerMemory, news: NewContent): Reading {
  const findings = news.content.faults.map((fault) => ({
    reason: fault.reason,
    subject: fault.field,
    message: `${fault.value}: ${fault.message}`,
  }));
  const body = JSON.stringify({
    ingressGateways: news.content.ingressGateways,
    publicServices: news.content.publicServices,
  });
  const document = { ...remembered(memory.privateDocument, news.heard, news.seq, body), body };
  const removal = removalBrake({
    current: hostsOf(memory),
    next: news.content.publicServices.map(({ hostname }) => hostname),
    heldSince: heldSince(input),
    accepted: removalAccepted(resource.metadata.annotations, document.digest),
    now: input.now,
  });
  return removal.kind === 'hold'
    ? { memory, removal, findings }
    : { memory: { ...memory, privateDocument: document }, findings };
}

/** Hosts of the last good document. */
export function hostsOf(memory: PeerMemory | undefined): readonly string[] {
  return contentOf(memory)?.publicServices.map(({ hostname }) => hostname) ?? [];
}

/** Content of the last good document, as it was taken. */
export function contentOf(
  memory: PeerMemory | undefined,
): Pick<FederationContent, 'ingressGateways' | 'publicServices'> | undefined {
  const body = memory?.privateDocument?.body;
  return body === undefined
    ? undefined
    : (JSON.parse(body) as Pick<FederationContent, 'ingressGateways' | 'publicServices'>);
}

function heldSince({ previous }: FederationInput): number | undefined {
  const since = previous?.removalHeld?.since;
  return since === undefined ? undefined : Date.parse(since);
}

function remembered(
  before: RememberedDocument | undefined,
  heard: HeardDocument,
  seq: number,
  content = heard.body,
): RememberedDocument {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const changedAt = before?.digest === digest ? before.changedAt : heard.at;
  return { seq, fetchedAt: heard.at, changedAt, digest };
}

function pinsOf(pins: NonNullable<IstioFederation['spec']['pins']>): {
  readonly roots?: readonly string[];
  readonly keys?: readonly string[];
} {
  return {
    ...(pins.roots === undefined ? {} : { roots: pins.roots }),
    ...(pins.keys === undefined ? {} : { keys: pins.keys }),
  };
}

function invalid(faults: readonly Fault[]): Finding {
  const [first] = faults;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return {
    reason: 'DocumentInvalid',
    message:
      first === undefined ? 'the document is not valid' : `${first.field}: ${first.value}: ${first.message}${more}`,
  };
}
