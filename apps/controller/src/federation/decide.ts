import type { IstioFederation } from '#crd';
import { annotations } from '#model';
import { done } from '#reconcile';
import { resourceOf } from '../peer/input.js';
import type { PeerInput } from '../peer/input.js';
import {
  invalidVerdict,
  leavingVerdict,
  linkSettings,
  lookAgainMs,
  revocationFindings,
  revokedVerdict,
  switchedOffVerdict,
  unreadableVerdict,
} from '../peer/verdict.js';
import type { PeerVerdict } from '../peer/verdict.js';
import { readPublic } from '../peer/read-public.js';
import { readFederation } from './read-documents.js';
import type { HeldRemoval } from './read-documents.js';

export type FederationInput = PeerInput<IstioFederation>;

/** What one look at an IstioFederation comes to. */
export interface FederationVerdict extends PeerVerdict {
  readonly removal?: HeldRemoval;
}

/** Verifies what was heard of a federation peer and judges what to remember. Pure. */
export function decideFederation(input: FederationInput): FederationVerdict {
  if (input.metadata.deletionTimestamp !== undefined) return leavingVerdict(input);
  if (!input.schemeEnabled) return switchedOffVerdict(input);
  const resource = resourceOf(input);
  if (resource === undefined) return invalidVerdict(input);
  if (resource.spec.revoked) return revokedVerdict(input);
  const link = linkSettings(resource, 'federation', input.memory);
  if (input.memoryFault !== undefined) return unreadableVerdict(input.memoryFault, link);
  const { trustDomain, clusterDomain = trustDomain } = resource.spec;
  const open = readPublic(input, resource, { trustDomain, clusterDomain });
  const closed = readFederation(input, resource, open.memory);
  return {
    next: done(lookAgainMs),
    leaving: false,
    link,
    memory: closed.memory,
    ...(open.against === undefined ? {} : { publicAgainst: open.against }),
    ...(open.pending === undefined ? {} : { pending: open.pending }),
    ...(closed.against === undefined ? {} : { privateAgainst: closed.against }),
    ...(closed.removal === undefined ? {} : { removal: closed.removal }),
    ...(closed.spent === undefined ? {} : { spentAnnotation: { name: annotations.acceptRemoval, ...closed.spent } }),
    findings: [...revocationFindings(closed.memory, input.now), ...closed.findings],
  };
}
