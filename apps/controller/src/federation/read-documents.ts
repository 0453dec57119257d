import { peerClusterDomain, REASONS } from '#crd';
import type { IstioFederation } from '#crd';
import { annotations } from '#model';
import type { PublicService } from '#model';
import { admitOffer, removalBrake, removalRelease } from '#planner';
import type { RemovalVerdict } from '#planner';
import { decodeFederationDocument, federationContent } from '#protocol';
import type { FederationContent } from '#protocol';
import type { PeerMemory } from '#trust';
import type { HeardDocument } from '../peer-link/hearing.js';
import { findingsOf, freshnessOf, invalid, judgePrivate, remembered } from '../peer/read-public.js';
import type { Reading } from '../peer/read-public.js';
import type { PeerVerdict } from '../peer/verdict.js';
import type { FederationInput } from './decide.js';

/** A reading that the brake may hold. */
export interface FederationReading extends Reading {
  readonly removal?: HeldRemoval;
  /** Value of the operator's annotation that has served its turn. */
  readonly spent?: Omit<NonNullable<PeerVerdict['spentAnnotation']>, 'name'>;
}

/** A held removal and the digest of the document that asks for it. */
export type HeldRemoval = Extract<RemovalVerdict, { kind: 'hold' }> & { readonly digest: string };

/** Reads the federation document last heard, on the facts that the public one gave. */
export function readFederation(
  input: FederationInput,
  resource: IstioFederation,
  memory: PeerMemory | undefined,
): FederationReading {
  const heard = input.hearing.privateDocument;
  if (heard === undefined || memory === undefined) return { memory, findings: [] };
  const decoded = decodeFederationDocument(heard.body);
  if (!decoded.ok) return { memory, against: invalid(decoded.faults), findings: [] };
  const verdict = judgePrivate(input, memory, heard, decoded.value.signed);
  if (verdict.kind === 'refused') return { memory, against: verdict.against, findings: [] };
  const content =
    verdict.kind === 'signed' ? federationContent(verdict.content) : { ok: true as const, value: decoded.value };
  if (!content.ok) return { memory, against: invalid(content.faults), findings: [] };
  return braked(input, resource, memory, { heard, freshness: freshnessOf(verdict), content: content.value });
}

function spentBy(value: string, accepted: boolean): NonNullable<FederationReading['spent']> {
  if (accepted) return { value };
  const note = `annotation ${annotations.acceptRemoval}=${value} was taken off and released nothing: this document was not held yet when it was set. Set it when RemovalHeld is told, or set the digest of status.removalHeld, which may be set beforehand`;
  return { value, idle: { reason: REASONS.RemovalHeld, note } };
}

interface NewContent {
  readonly heard: HeardDocument;
  readonly freshness: ReturnType<typeof freshnessOf>;
  readonly content: FederationContent;
}

function braked(
  input: FederationInput,
  resource: IstioFederation,
  memory: PeerMemory,
  news: NewContent,
): FederationReading {
  const findings = findingsOf(news.content.faults);
  const body = JSON.stringify({
    ingressGateways: news.content.ingressGateways,
    publicServices: news.content.publicServices,
  });
  const { seq, ...ends } = news.freshness;
  const document = { ...remembered(memory.privateDocument, news.heard, seq, body), body, ...ends };
  const { digest } = document;
  const release = removalRelease(resource.metadata.annotations, digest, input.previous?.removalHeld?.digest);
  // What is offered and not imported counts neither for the ten nor for the half.
  const imports = (services: readonly PublicService[]): readonly string[] =>
    document.digest === memory.privateDocument?.digest ? [] : importedHosts(input, resource, services);
  const removal = removalBrake({
    current: imports(contentOf(memory)?.publicServices ?? []),
    next: imports(news.content.publicServices),
    heldSince: heldSince(input),
    accepted: release.accepted,
    now: input.now,
  });
  const spent = release.spent === undefined ? {} : { spent: spentBy(release.spent, release.accepted) };
  return removal.kind === 'hold'
    ? { memory, removal: { ...removal, digest }, findings, ...spent }
    : { memory: { ...memory, privateDocument: document }, findings, ...spent };
}

/** Hosts of an offer that the resource and the rules of names let in. */
function importedHosts(
  { mesh }: FederationInput,
  { spec }: IstioFederation,
  services: readonly PublicService[],
): readonly string[] {
  const admitted = admitOffer({
    services,
    trustDomain: spec.trustDomain,
    clusterDomain: peerClusterDomain(spec),
    ownClusterDomain: mesh.clusterDomain,
    imports: spec.imports,
  });
  return admitted.services.map(({ hostname }) => hostname);
}

/** Hosts of the last good document. */
export function hostsOf(memory: PeerMemory | undefined): readonly string[] {
  return contentOf(memory)?.publicServices.map(({ hostname }) => hostname) ?? [];
}

type TakenContent = Pick<FederationContent, 'ingressGateways' | 'publicServices'>;
/** Every pass asks for every peer's content: a remembered document is parsed once. */
const parsed = new WeakMap<object, TakenContent>();

/** Content of the last good document, as it was taken. */
export function contentOf(memory: PeerMemory | undefined): TakenContent | undefined {
  const document = memory?.privateDocument;
  if (document === undefined) return undefined;
  const content = parsed.get(document) ?? (JSON.parse(document.body) as TakenContent);
  parsed.set(document, content);
  return content;
}

function heldSince({ previous }: FederationInput): number | undefined {
  const since = previous?.removalHeld?.since;
  return since === undefined ? undefined : Date.parse(since);
}
