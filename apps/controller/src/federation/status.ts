import type { PeerStatus } from '#crd';
import type { PeerMemory } from '#trust';
import { peerStatusOf, time } from '../peer/status.js';
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
    ...(publication === undefined ? {} : { services: servicesStatus(input, memory) }),
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

function servicesStatus(
  { publication, memoryFault, previous }: FederationInput,
  memory: PeerMemory | undefined,
): NonNullable<PeerStatus['services']> {
  return {
    offered: memoryFault === undefined ? hostsOf(memory).length : (previous?.services?.offered ?? 0),
    imported: publication?.imported ?? 0,
    exported: publication?.exported ?? 0,
  };
}
