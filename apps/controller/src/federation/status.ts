import { conditionTableOf } from '#crd';
import type { PeerStatus } from '#crd';
import { finaliseConditions } from '#reconcile';
import { parseCertificate, readPublicSigningKey } from '#trust';
import type { PeerMemory } from '#trust';
import { judgeConditions } from './conditions.js';
import { hostsOf, contentOf } from './read-documents.js';
import type { FederationVerdict } from './decide.js';
import type { FederationInput } from './input.js';

/** Status of one IstioFederation after a reconcile: counts and digests, never whole documents. Pure. */
export function federationStatus(
  input: FederationInput,
  verdict: FederationVerdict | undefined,
  failure?: Error,
): PeerStatus {
  const generation = input.metadata.generation ?? 0;
  const conditions = finaliseConditions({
    table: conditionTableOf('IstioFederation'),
    judged: verdict === undefined || verdict.next.kind === 'stalled' ? [] : judgeConditions(input, verdict),
    previous: (input.previous?.conditions ?? []) as Parameters<typeof finaliseConditions>[0]['previous'],
    generation,
    now: input.now,
    next: verdict?.next,
    failure,
  });
  const memory = verdict?.memory ?? input.memory;
  return {
    observedGeneration: generation,
    conditions,
    ...(memory === undefined ? {} : { peer: peerStatus(memory), documents: documentStatus(input, memory) }),
    ...(input.publication === undefined ? {} : { services: servicesStatus(input, memory) }),
    ...(memory?.privateDocument === undefined ? {} : { gateways: gatewayStatus(input, memory) }),
    ...findingsStatus(input, verdict),
    ...removalStatus(verdict),
  };
}

function findingsStatus(
  { publication }: FederationInput,
  verdict: FederationVerdict | undefined,
): Pick<PeerStatus, 'findings'> {
  const findings = [
    ...(publication?.findings ?? []),
    ...(publication?.exportFindings ?? []),
    ...(verdict?.findings ?? []),
  ];
  return findings.length === 0 ? {} : { findings: findings.slice(0, 100) };
}

function removalStatus(verdict: FederationVerdict | undefined): Pick<PeerStatus, 'removalHeld'> {
  if (verdict?.removal === undefined) return {};
  const { since, until, removed } = verdict.removal;
  return { removalHeld: { since: time(since), until: time(until), services: removed.length } };
}

function peerStatus(memory: PeerMemory): NonNullable<PeerStatus['peer']> {
  const { facts } = memory;
  return {
    clusterUUID: facts.clusterUUID,
    trustDomain: facts.trustDomain,
    clusterDomain: facts.clusterDomain,
    ...(facts.clusterID === undefined ? {} : { clusterID: facts.clusterID }),
    ...(facts.networkName === undefined ? {} : { networkName: facts.networkName }),
    signed: facts.signed,
    firstContact: memory.firstContact,
    roots: facts.roots.map((pem) => {
      const root = parseCertificate(pem);
      return {
        fingerprint: `sha256:${root.fingerprint}`,
        subject: root.subject.replaceAll('\n', ', '),
        notBefore: time(root.notBefore),
        notAfter: time(root.notAfter),
        state: 'Trusted' as const,
      };
    }),
    keys: facts.keys.map((key) => ({
      fingerprint: `sha256:${readPublicSigningKey(key.pem)?.fingerprint ?? ''}`,
      kid: key.kid,
      state:
        key.state === 'current'
          ? ('Trusted' as const)
          : key.state === 'next'
            ? ('Next' as const)
            : ('Retired' as const),
    })),
  };
}

function documentStatus({ hearing }: FederationInput, memory: PeerMemory): NonNullable<PeerStatus['documents']> {
  const { publicDocument, privateDocument } = memory;
  return {
    ...(hearing.mode === 'none'
      ? {}
      : { transport: hearing.mode === 'stream' ? ('Stream' as const) : ('Poll' as const) }),
    public: {
      fetchedAt: time(publicDocument.changedAt),
      changedAt: time(publicDocument.changedAt),
      digest: publicDocument.digest,
      seq: publicDocument.seq,
    },
    ...(privateDocument === undefined
      ? {}
      : {
          private: {
            fetchedAt: time(privateDocument.fetchedAt),
            changedAt: time(privateDocument.changedAt),
            digest: privateDocument.digest,
            seq: privateDocument.seq,
          },
        }),
  };
}

function servicesStatus(
  { publication }: FederationInput,
  memory: PeerMemory | undefined,
): NonNullable<PeerStatus['services']> {
  return {
    offered: hostsOf(memory).length,
    imported: publication?.imported ?? 0,
    exported: publication?.exported ?? 0,
  };
}

function gatewayStatus({ probes }: FederationInput, memory: PeerMemory): NonNullable<PeerStatus['gateways']> {
  const total = contentOf(memory)?.ingressGateways.length ?? 0;
  const reachable = probes.filter((probe) => probe.reachable).length;
  return { total, reachable, summary: `${reachable}/${total}`, addresses: probes.slice(0, 100) };
}

function time(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
