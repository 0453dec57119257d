import type { PeerStatus } from '#crd';
import type { PeerMemory } from '#trust';
import { peerStatusOf, time } from '../peer/status.js';
import { standingImports } from '../publication/peer-publication.js';
import { judgeConditions } from './conditions.js';
import type { FederationInput, FederationVerdict } from './decide.js';
import { contentOf, hostsOf } from './read-documents.js';

/** Status of one IstioFederation after a reconcile: counts and digests, never whole documents. Pure. */
export function federationStatus(
  input: FederationInput,
  verdict: FederationVerdict | undefined,
  failure?: Error,
): PeerStatus {
  const memory = verdict?.memory ?? input.memory;
  const { publication } = input;
  return {
    ...peerStatusOf(input, verdict, failure, {
      judged: verdict === undefined ? [] : judgeConditions(input, verdict),
      gateways: contentOf(memory)?.ingressGateways ?? [],
      findings: [
        ...(publication?.findings ?? []),
        ...(publication?.exportFindings ?? []),
        ...(verdict?.findings ?? []),
      ],
    }),
    ...servicesStatus(input, memory),
    ...removalStatus(input, verdict),
  };
}

/** A removal stays held over a restart: until the document is heard again, what was said of it stands. */
function removalStatus(
  { hearing, previous }: FederationInput,
  verdict: FederationVerdict | undefined,
): Pick<PeerStatus, 'removalHeld'> {
  const said = previous?.removalHeld;
  if (hearing.privateDocument === undefined && said !== undefined) return { removalHeld: said };
  if (verdict?.removal === undefined) return {};
  const { since, until, removed, digest } = verdict.removal;
  return { removalHeld: { since: time(since), until: time(until), services: removed.length, digest } };
}

/** While the memory cannot be read, what was offered last is what was said of it. */
function servicesStatus(input: FederationInput, memory: PeerMemory | undefined): Pick<PeerStatus, 'services'> {
  const { publication, memoryFault, previous } = input;
  const said = memoryFault === undefined ? undefined : previous?.services;
  if (publication === undefined) return said === undefined ? {} : { services: said };
  const offered = memoryFault === undefined ? hostsOf(memory).length : (said?.offered ?? 0);
  return { services: { offered, imported: standingImports(input), exported: publication.exported } };
}
