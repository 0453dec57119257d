import type { GatewayAddress, PublicService } from '#model';
import type { ExportedService } from './exports.js';

/** Content of `GET /metadata/private/federation.json` for one peer, before it is signed. */
export interface FederationDocumentContent {
  readonly ingressGateways: readonly GatewayAddress[];
  readonly publicServices: readonly PublicService[];
}

/** Content of `GET /metadata/private/multicluster.json` for one peer, before it is signed. */
export interface MulticlusterDocumentContent {
  readonly ingressGateways: readonly GatewayAddress[];
  readonly apiHost: string;
  readonly networkName: string;
}

/** Exactly what one peer may see: its exports, as `exportsFor` sorted them, and where the gateways are. */
export function federationDocumentFor(
  exported: readonly ExportedService[],
  gateways: readonly GatewayAddress[],
): FederationDocumentContent {
  return {
    ingressGateways: gateways.map(({ address, port }) => ({ address, port })),
    publicServices: exported.map(({ hostname, ports, subjectAltNames }) => ({
      hostname,
      ports,
      ...(subjectAltNames === undefined ? {} : { subjectAltNames }),
    })),
  };
}

export function multiclusterDocumentFor(
  gateways: readonly GatewayAddress[],
  apiHost: string,
  networkName: string,
): MulticlusterDocumentContent {
  return { ingressGateways: gateways.map(({ address, port }) => ({ address, port })), apiHost, networkName };
}
