import { counted } from '#model';
import type { Finding } from '#model';
import { bad, good, unknown } from '#reconcile';
import type { Judgement } from '#reconcile';
import {
  gatewaysReachable,
  leavingJudgements,
  metadataSynced,
  revokedJudgements,
  trustEstablished,
  trustUnscoped,
} from '../peer/conditions.js';
import { resourceOf } from '../peer/input.js';
import type { PeerVerdict } from '../peer/verdict.js';
import type { MulticlusterInput } from './decide.js';
import { multiclusterContentOf } from './documents.js';
import type { RegistryReport } from './reports.js';

/** All conditions of one IstioMulticluster as they stand; pure. */
export function judgeConditions(input: MulticlusterInput, verdict: PeerVerdict): readonly Judgement[] {
  if (verdict.leaving) return leavingJudgements;
  const revoked = revokedJudgements(input);
  if (revoked !== undefined) return revoked;
  const gateways = multiclusterContentOf(verdict.memory)?.ingressGateways ?? [];
  const byGateway = resourceOf(input)?.spec.enableIngressGateway ?? true;
  return [
    trustEstablished(input, verdict),
    metadataSynced(input, verdict),
    apiAccessible(input, verdict),
    // A stock istiod tells nobody but those who ask it (`istioctl remote-clusters`).
    ...(input.trustUnscoped ? [] : [registrySynced(input, verdict)]),
    ...(byGateway ? gatewaysReachable(input, verdict, gateways) : []),
    ...trustUnscoped(input),
  ];
}

function apiAccessible({ publication, api }: MulticlusterInput, { memory }: PeerVerdict): Judgement {
  const type = 'ApiAccessible';
  if (memory?.privateDocument === undefined)
    return unknown(type, 'Progressing', 'the peer has not told its apiHost yet');
  if (publication?.trusted === false)
    return bad(type, 'FailedClosed', 'the peer is not trusted: its API server is not asked');
  const refused = refusedApiHost(publication);
  if (refused !== undefined) return bad(type, refused.reason, `apiHost: ${refused.message}`);
  if (api === undefined) return unknown(type, 'Progressing', 'the way out has not asked the peer’s API server yet');
  return api.ok ? good(type, 'Succeeded', api.message) : bad(type, api.reason, api.message);
}

function refusedApiHost(publication: MulticlusterInput['publication']): Finding | undefined {
  return publication?.findings.find(
    ({ reason, subject }) => ['AddressRefused', 'TrustTooLarge'].includes(reason) && subject === 'apiHost',
  );
}

function registrySynced(input: MulticlusterInput, { memory }: PeerVerdict): Judgement {
  const { registry, api, publication } = input;
  const type = 'RegistrySynced';
  // The way out then knows no such peer, which is no fault of the mesh core's credential.
  const refused = refusedApiHost(publication);
  if (refused !== undefined)
    return bad(type, refused.reason, 'its registry cannot be read while its apiHost is refused: see ApiAccessible');
  if (memory?.privateDocument === undefined || registry === undefined)
    return unknown(type, 'Progressing', 'the mesh core has not said yet how far it has read this cluster');
  const counts = `${counted(registry.services, 'service')} and ${counted(registry.endpoints, 'endpoint')}`;
  // A mesh core that has not read it since its start may go on with what was kept.
  if (!registry.synced && registry.services === 0)
    return bad(
      type,
      api?.reason === 'Forbidden' ? 'Forbidden' : 'Unreachable',
      registry.error ?? 'the mesh core has not read the whole registry yet',
    );
  if (registry.synced && registry.error === undefined && (registry.withdrawnServices ?? 0) === 0)
    return good(type, 'Succeeded', counts);
  return silent(input, registry, counts);
}

/** A cluster that gives no answer: what of it goes on, and what its stale policy has withdrawn. */
function silent(input: MulticlusterInput, registry: RegistryReport, counts: string): Judgement {
  const type = 'RegistrySynced';
  const age = `${Math.max(0, Math.round((input.now - registry.lastContact) / 1000))} s old`;
  const error = registry.error ?? (registry.synced ? 'it answers again' : 'not read yet');
  const withdrawn = registry.withdrawnServices ?? 0;
  if (withdrawn === 0) return bad(type, 'StaleKeepingLastKnownGood', `${error}; ${counts}, ${age}, go on`);
  const mode = resourceOf(input)?.spec.stalePolicy?.mode;
  return bad(
    type,
    mode === 'FailClosed' ? 'FailedClosed' : 'Drained',
    `${error}; stalePolicy has withdrawn the endpoints of ${withdrawn} of ${counted(registry.services, 'service')}, ${counted(registry.endpoints, 'endpoint')} of the others, ${age}, go on. They come back with its first answer: see ApiAccessible, or raise spec.stalePolicy.after`,
  );
}
