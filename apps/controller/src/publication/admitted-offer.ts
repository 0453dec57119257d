import type { IstioFederation } from '#crd';
import { peerClusterDomain, REASONS, visibleNowhere } from '#crd';
import type { Finding, PublicService } from '#model';
import { admitOffer } from '#planner';
import type { PeerOffer } from '#planner';
import type { AllowedGateway } from './address-book.js';
import { refOf } from './standing.js';
import type { Standing } from './standing.js';

/** A peer's last good offer, as its document said it, with the gateways that may be used. */
export interface HeardOffer {
  readonly services: readonly PublicService[];
  readonly gateways: readonly AllowedGateway[];
  readonly findings: readonly Finding[];
}

/** What of a peer's offer may be imported. */
export interface AdmittedOffer {
  readonly offer: PeerOffer;
  readonly findings: readonly Finding[];
}

/** What may be imported of what a peer offered, as its resource asks; `heard` undefined = nothing was heard yet. */
export function admittedOffer(
  { peer: { resource }, withdrawnHosts }: Standing<IstioFederation>,
  heard: HeardOffer | undefined,
  ownClusterDomain: string,
): AdmittedOffer {
  const clusterDomain = peerClusterDomain(resource.spec);
  const admitted = admitOffer({
    services: heard?.services ?? [],
    trustDomain: resource.spec.trustDomain,
    clusterDomain,
    ownClusterDomain,
    imports: resource.spec.imports,
  });
  const offer: PeerOffer = {
    peer: refOf(resource),
    createdAt: resource.metadata.creationTimestamp ?? '',
    trustDomain: resource.spec.trustDomain,
    clusterDomain,
    gateways: (heard?.gateways ?? []).map(({ address, port }) => ({ address, port })),
    services: admitted.services,
    exportTo: resource.spec.imports?.exportTo,
    withdrawnHosts,
  };
  const findings = [...(heard?.findings ?? []), ...admitted.findings, ...emptyExportTo(resource)];
  return { offer, findings };
}

/** Stored before admission refused it: it goes on as it was meant then, and the next change of the resource would be refused. */
function emptyExportTo({ spec }: IstioFederation): readonly Finding[] {
  if (spec.imports?.exportTo?.length !== 0) return [];
  const message = `${visibleNowhere}. Stored by an earlier release, it is read as ["*"]`;
  return [{ reason: REASONS.SpecInvalid, subject: 'spec.imports.exportTo', message }];
}
