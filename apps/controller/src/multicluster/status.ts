import type { PeerStatus } from '#crd';
import type { Finding } from '#model';
import { resourceOf } from '../peer/input.js';
import { peerStatusOf, time } from '../peer/status.js';
import type { PeerVerdict } from '../peer/verdict.js';
import { judgeConditions } from './conditions.js';
import type { MulticlusterInput } from './decide.js';
import { clusterIDOf, multiclusterContentOf } from './documents.js';

/** Status of one IstioMulticluster after a reconcile: counts and digests, never whole documents. Pure. */
export function multiclusterStatus(
  input: MulticlusterInput,
  verdict: PeerVerdict | undefined,
  failure?: Error,
): PeerStatus {
  const memory = verdict?.memory ?? input.memory;
  const content = multiclusterContentOf(memory);
  const common = peerStatusOf(input, verdict, failure, {
    judged: verdict === undefined ? [] : judgeConditions(input, verdict),
    gateways: content?.ingressGateways ?? [],
    findings: [...(input.publication?.findings ?? []), ...(verdict?.findings ?? []), ...portFindings(input)],
  });
  const { peer } = common;
  if (memory === undefined || peer === undefined) return common;
  return {
    ...common,
    peer: { ...peer, ...(content === undefined ? {} : { apiHost: content.apiHost, networkName: content.networkName }) },
    ...(input.trustUnscoped ? {} : { remote: remoteStatus(input, clusterIDOf(input.ref.name, memory)) }),
  };
}

/** One Service as each cluster has it: what differs in ports is told, and makes nobody unready. */
function portFindings({ registry }: MulticlusterInput): readonly Finding[] {
  const lines = Array.isArray(registry?.conflicts) ? registry.conflicts : [];
  return lines.map((line) => ({ reason: 'PortConflict', message: String(line) }));
}

function remoteStatus(input: MulticlusterInput, clusterID: string): NonNullable<PeerStatus['remote']> {
  const { registry } = input;
  if (registry === undefined) return { clusterID, synced: false, ...notToldYet(input) };
  const { synced, services, endpoints, withdrawnServices, lastContact } = registry;
  return {
    clusterID,
    synced,
    services,
    endpoints,
    ...(withdrawnServices === undefined ? {} : { withdrawnServices }),
    ...(lastContact > 0 ? { lastContact: time(lastContact) } : {}),
  };
}

/** What was read of a peer whose trust ends stays until it is told as cut: the mesh core forgets it a moment before. */
function notToldYet(input: MulticlusterInput): { readonly services?: number } {
  const { remote, revocation } = input.previous ?? {};
  const isEnding = resourceOf(input)?.spec.revoked === true && revocation === undefined;
  return isEnding && remote?.services !== undefined ? { services: remote.services } : {};
}
