import { networkingApiVersion } from '#istio-api';
import type { ServiceEntry, ServiceEntryEndpoint } from '#istio-api';
import { annotations, labels, peerKey, sortedRecord } from '#model';
import { isIpAddress } from './ip-address.js';
import type { MergedEndpoint, MergedService } from './merge-services.js';
import { producedLabels } from './mesh-facts.js';
import type { MeshFacts } from './mesh-facts.js';

/**
 * The ServiceEntry of one imported service, named by its host. One endpoint per gateway, every port at the gateway's port; the
 * label `tlsMode: istio` keeps mutual TLS on even under a user's own DestinationRule. Resolution is STATIC; DNS only when a
 * gateway is known by name, which Istio refuses in a STATIC entry (`mesh` resolves the name itself).
 */
export function serviceEntryFor(mesh: MeshFacts, service: MergedService): ServiceEntry {
  const { hostname, ports, endpoints, subjectAltNames, exportTo } = service;
  const named = endpoints.some(({ gateway }) => !isIpAddress(gateway.address));
  return {
    apiVersion: networkingApiVersion,
    kind: 'ServiceEntry',
    metadata: importMetadata(mesh, service),
    spec: {
      hosts: [hostname],
      ports: ports.map(({ name, port, protocol }) => ({ number: port, name, protocol })),
      location: 'MESH_INTERNAL',
      resolution: named ? 'DNS' : 'STATIC',
      endpoints: endpoints.map((endpoint) => endpointFor(service, endpoint)),
      exportTo,
      ...(subjectAltNames.length === 0 ? {} : { subjectAltNames }),
    },
  };
}

/** Name, namespace and provenance that ServiceEntry and DestinationRule of one service share. */
export function importMetadata(mesh: MeshFacts, service: MergedService): NonNullable<ServiceEntry['metadata']> {
  const [winner] = service.peers;
  return {
    name: service.hostname,
    namespace: mesh.importsNamespace,
    labels: sortedRecord({
      ...producedLabels,
      ...(winner === undefined ? {} : { [labels.peerKind]: winner.kind, [labels.peerName]: winner.name }),
    }),
    annotations: sortedRecord({
      [annotations.peers]: service.peers.map(peerKey).join(','),
      ...(service.sanPrefixes.length === 0 ? {} : { [annotations.sanPrefix]: service.sanPrefixes.join(',') }),
    }),
  };
}

function endpointFor({ ports }: MergedService, { gateway, peer }: MergedEndpoint): ServiceEntryEndpoint {
  return {
    address: gateway.address,
    ports: sortedRecord(Object.fromEntries(ports.map(({ name }) => [name, gateway.port]))),
    labels: sortedRecord({ [labels.tlsMode]: 'istio', [labels.peerName]: peer.name }),
  };
}
