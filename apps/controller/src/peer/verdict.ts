import { describeFault } from '#crd';
import type { Finding } from '#model';
import { done, stalled } from '#reconcile';
import type { Result } from '#reconcile';
import { listsInForce, splitCertificates } from '#trust';
import type { PeerMemory, PendingApproval } from '#trust';
import type { GivenEndpoint, PeerLinkSettings } from '../peer-link/peer-link.js';
import { faultsOf } from './input.js';
import type { PeerInput, PeerResource } from './input.js';
import type { WaitingDocuments } from './silence.js';

/** What one look at a peer resource comes to. */
export interface PeerVerdict {
  readonly next: Result;
  /** The resource is being deleted: trust ends, what it produced goes, then the finalizer. */
  readonly leaving: boolean;
  readonly link: PeerLinkSettings | undefined;
  /** To be remembered; equal to the input's when nothing new was learnt. */
  readonly memory: PeerMemory | undefined;
  readonly publicAgainst?: Finding;
  /** Roots and keys that the peer shows and that a person must approve. */
  readonly pending?: PendingApproval;
  readonly privateAgainst?: Finding;
  /** An annotation of the operator that has served its turn: taken off unless its value changed since. */
  readonly spentAnnotation?: {
    readonly name: string;
    readonly value: string;
    /** Told in an Event where it released nothing. */
    readonly idle?: { readonly reason: string; readonly note: string };
  };
  readonly findings: readonly Finding[];
}

/** What came of the peer and is not taken yet; `held` = by the removal brake. */
export function waitingOf(verdict: PeerVerdict | undefined, held = false): WaitingDocuments {
  return { public: verdict?.pending !== undefined, private: held };
}

/** Looked at again this often, so that ages, expiry and approvals move status even in silence. */
export const lookAgainMs = 15_000;

/** The verdict on a resource that is being deleted. */
export function leavingVerdict(input: PeerInput): PeerVerdict {
  return { next: done(), leaving: true, link: undefined, memory: input.memory, findings: [] };
}

/** The verdict on a resource that cannot be read; what was learnt before stays. */
export function invalidVerdict(input: PeerInput): PeerVerdict {
  const message = faultsOf(input).map(describeFault).join('; ');
  return { next: stalled('SpecInvalid', message), leaving: false, link: undefined, memory: input.memory, findings: [] };
}

/** The verdict while the chart has the kind's scheme switched off: nothing is heard, asked or trusted. */
export function switchedOffVerdict(input: PeerInput): PeerVerdict {
  const value = input.ref.kind === 'IstioFederation' ? 'federation.enabled' : 'multicluster.enabled';
  const message = `${value} is false in the chart's values: this resource does nothing until it is true`;
  return {
    next: stalled('SchemeDisabled', message),
    leaving: false,
    link: undefined,
    memory: input.memory,
    findings: [],
  };
}

/** The verdict while the operator withdraws trust: nothing is heard or asked; what was learnt waits. */
export function revokedVerdict(input: PeerInput): PeerVerdict {
  return { next: done(lookAgainMs), leaving: false, link: undefined, memory: input.memory, findings: [] };
}

/** The verdict while what was stored of the peer cannot be read: nothing heard is judged, since all of it would pass for a first contact. */
export function unreadableVerdict(fault: string, link: PeerLinkSettings): PeerVerdict {
  const against = { reason: 'MemoryUnreadable', message: fault };
  return {
    next: done(lookAgainMs),
    leaving: false,
    link,
    memory: undefined,
    publicAgainst: against,
    privateAgainst: against,
    findings: [],
  };
}

/** How to listen to the peer. */
export function linkSettings(
  resource: PeerResource,
  document: PeerLinkSettings['document'],
  memory: PeerMemory | undefined,
): PeerLinkSettings {
  const { endpoint, given } = givenEndpoint(resource);
  const { ca } = given;
  return { endpoint, given, tls: { ...given, ...(ca === undefined ? {} : { ca: withSigned(ca, memory) }) }, document };
}

/** Of whom the resource says to listen to: what was heard under another endpoint or verification is not judged by this one. */
export function givenEndpoint({ spec }: PeerResource): GivenEndpoint {
  const { ca, insecureSkipVerify } = spec.metadata ?? {};
  return {
    endpoint: spec.metadataEndpoint.replace(/\/+$/, ''),
    given: {
      ...(ca === undefined ? {} : { ca }),
      ...(insecureSkipVerify === undefined ? {} : { insecureSkipVerify }),
    },
  };
}

/** A peer that signs tells what its door's certificate is to be checked against, so that it may change: that counts beside `metadata.ca`. */
function withSigned(given: string, memory: PeerMemory | undefined): string {
  const { signed = false, tlsCA = '' } = memory?.facts ?? {};
  const known = splitCertificates(given);
  const news = signed ? splitCertificates(tlsCA).filter((pem) => !known.includes(pem)) : [];
  return news.length === 0 ? given : [...known, ...news].join('');
}

/** Revocation lists that cannot be used: said, since their certificates are then not checked for revocation. */
export function revocationFindings(memory: PeerMemory | undefined, now: number): readonly Finding[] {
  if (memory === undefined) return [];
  const { crlFault, crls } = memory.facts;
  if (crlFault !== undefined) return [{ reason: 'DocumentInvalid', subject: 'crls', message: crlFault }];
  if (crls.length === 0 || listsInForce(memory.facts, now).length > 0) return [];
  const message =
    'the revocation lists have run out and are not used: its certificates are not checked for revocation until it renews them';
  return [{ reason: 'StaleKeepingLastKnownGood', subject: 'crls', message }];
}
