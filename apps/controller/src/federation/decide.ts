import { describeFault } from '#crd';
import type { IstioFederation } from '#crd';
import type { Finding } from '#model';
import type { RemovalVerdict } from '#planner';
import { done, stalled } from '#reconcile';
import type { Result } from '#reconcile';
import type { PeerMemory } from '#trust';
import type { PeerLinkSettings } from '../peer-link/peer-link.js';
import { faultsOf, resourceOf } from './input.js';
import type { FederationInput } from './input.js';
import { readPrivate, readPublic } from './read-documents.js';

/** What one look at a peer resource comes to. */
export interface FederationVerdict {
  readonly next: Result;
  /** The resource is being deleted: trust ends, what it produced goes, then the finalizer. */
  readonly leaving: boolean;
  readonly link: PeerLinkSettings | undefined;
  /** To be remembered; equal to the input's when nothing new was learnt. */
  readonly memory: PeerMemory | undefined;
  readonly publicAgainst?: Finding;
  readonly privateAgainst?: Finding;
  readonly removal?: Extract<RemovalVerdict, { kind: 'hold' }>;
  readonly findings: readonly Finding[];
}

/** Looked at again this often, so that ages, expiry and approvals move status even in silence. */
const lookAgainMs = 15_000;

/** Verifies what was heard of a peer and judges what to remember. Pure. */
export function decideFederation(input: FederationInput): FederationVerdict {
  if (input.metadata.deletionTimestamp !== undefined)
    return { next: done(), leaving: true, link: undefined, memory: input.memory, findings: [] };
  const resource = resourceOf(input);
  if (resource === undefined) {
    const message = faultsOf(input).map(describeFault).join('; ');
    return {
      next: stalled('SpecInvalid', message),
      leaving: false,
      link: undefined,
      memory: input.memory,
      findings: [],
    };
  }
  const open = readPublic(input, resource);
  const closed = readPrivate(input, resource, open.memory);
  return {
    next: done(lookAgainMs),
    leaving: false,
    link: linkSettings(resource),
    memory: closed.memory,
    ...(open.against === undefined ? {} : { publicAgainst: open.against }),
    ...(closed.against === undefined ? {} : { privateAgainst: closed.against }),
    ...(closed.removal === undefined ? {} : { removal: closed.removal }),
    findings: [...revocationFindings(closed.memory, input.now), ...closed.findings],
  };
}

/** Revocation lists that cannot be used: said, since their certificates are then not checked for revocation. */
function revocationFindings(memory: PeerMemory | undefined, now: number): readonly Finding[] {
  const { crlFault, crlsUntil, crls = [] } = memory?.facts ?? {};
  if (crlFault !== undefined) return [{ reason: 'DocumentInvalid', subject: 'crls', message: crlFault }];
  if (crls.length === 0 || crlsUntil === undefined || crlsUntil > now) return [];
  const message = 'the revocation lists have run out and are not used; the peer must renew them';
  return [{ reason: 'StaleKeepingLastKnownGood', subject: 'crls', message }];
}

function linkSettings({ spec }: IstioFederation): PeerLinkSettings {
  return {
    endpoint: spec.metadataEndpoint.replace(/\/+$/, ''),
    tls: {
      ...(spec.metadata?.ca === undefined ? {} : { ca: spec.metadata.ca }),
      ...(spec.metadata?.insecureSkipVerify === undefined
        ? {}
        : { insecureSkipVerify: spec.metadata.insecureSkipVerify }),
    },
    document: 'federation',
  };
}
