import type { IstioMulticluster } from '#crd';
import { done } from '#reconcile';
import type { PublicDocumentInput } from '#trust';
import { resourceOf } from '../peer/input.js';
import type { PeerInput } from '../peer/input.js';
import { readPublic } from '../peer/read-public.js';
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
import { readMulticluster } from './documents.js';
import type { ApiReach, RegistryReport } from './reports.js';

export interface MulticlusterInput extends PeerInput<IstioMulticluster> {
  /** What the way out last saw of the peer's API server. */
  readonly api: ApiReach | undefined;
  /** How far the mesh core has read it; undefined until it told. */
  readonly registry: RegistryReport | undefined;
}

/** Verifies what was heard of a multicluster peer and judges what to remember. Pure. */
export function decideMulticluster(input: MulticlusterInput): PeerVerdict {
  if (input.metadata.deletionTimestamp !== undefined) return leavingVerdict(input);
  if (!input.schemeEnabled) return switchedOffVerdict(input);
  const resource = resourceOf(input);
  if (resource === undefined) return invalidVerdict(input);
  if (resource.spec.revoked) return revokedVerdict(input);
  const link = linkSettings(resource, 'multicluster', input.memory);
  if (input.memoryFault !== undefined) return unreadableVerdict(input.memoryFault, link);
  const open = readPublic(input, resource, expectedDomains(input, resource));
  const closed = readMulticluster(input, open.memory);
  return {
    next: done(lookAgainMs),
    leaving: false,
    link,
    memory: closed.memory,
    ...(open.against === undefined ? {} : { publicAgainst: open.against }),
    ...(open.pending === undefined ? {} : { pending: open.pending }),
    ...(closed.against === undefined ? {} : { privateAgainst: closed.against }),
    findings: [...revocationFindings(closed.memory, input.now), ...closed.findings],
  };
}

/** A peer that signs tells its own domains; one that does not is taken to have ours, unless the resource says otherwise. */
function expectedDomains(
  { hearing, mesh }: MulticlusterInput,
  { spec }: IstioMulticluster,
): Pick<PublicDocumentInput, 'trustDomain' | 'clusterDomain'> {
  const given = spec.trustDomain === undefined ? {} : { trustDomain: spec.trustDomain };
  const signs = hearing.publicDocument?.body.includes('"signed"') ?? false;
  return signs ? given : { trustDomain: mesh.clusterDomain, clusterDomain: mesh.clusterDomain, ...given };
}
