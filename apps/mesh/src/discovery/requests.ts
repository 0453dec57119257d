import type { DeltaRequest, SotwRequest } from '#xds';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '#proto-gen/envoy/service/discovery/v3/discovery_pb';

/** A request as the stream's reducer takes it, with the node if the client gave it (the first request only). */
export interface ReceivedRequest {
  readonly event: DeltaRequest | SotwRequest;
  readonly node: IntroducedNode | undefined;
}

/** node.id, node.metadata as plain JSON, node.locality as `region/zone/subzone`. */
export interface IntroducedNode {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality: string;
}

export function receivedDelta(request: DeltaDiscoveryRequest): ReceivedRequest {
  return {
    node: introduced(request.node),
    event: {
      kind: 'delta-request',
      typeUrl: request.typeUrl,
      subscribe: request.resourceNamesSubscribe,
      unsubscribe: request.resourceNamesUnsubscribe,
      initialVersions: new Map(Object.entries(request.initialResourceVersions)),
      nonce: request.responseNonce,
      ...errorOf(request),
    },
  };
}

export function receivedSotw(request: DiscoveryRequest): ReceivedRequest {
  return {
    node: introduced(request.node),
    event: {
      kind: 'sotw-request',
      typeUrl: request.typeUrl,
      names: request.resourceNames,
      version: request.versionInfo,
      nonce: request.responseNonce,
      ...errorOf(request),
    },
  };
}

type NodeMessage = DiscoveryRequest['node'];

function introduced(node: NodeMessage): IntroducedNode | undefined {
  if (node === undefined) return undefined;
  const { region = '', zone = '', subZone = '' } = node.locality ?? {};
  const locality = [region, zone, subZone].join('/').replace(/\/+$/, '');
  return { id: node.id, metadata: node.metadata ?? {}, locality };
}

function errorOf(request: DiscoveryRequest | DeltaDiscoveryRequest): { readonly error?: string } {
  const detail = request.errorDetail;
  return detail === undefined ? {} : { error: detail.message === '' ? `code ${detail.code}` : detail.message };
}
