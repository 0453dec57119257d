import { create } from '@bufbuild/protobuf';
import { type Resource, toResource, TYPE_URLS } from '#proto';
import { ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import { type Address, AddressSchema } from '#proto-gen/envoy/config/core/v3/address_pb';
import { AdditionalAddressSchema, ListenerSchema } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { SecretSchema } from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/secret_pb';
import { decoded, type Snapshot } from '#xds';
import type { Identity } from './identities.js';

/** Where things stand on a machine on which nothing redirects connections. */
export interface Places {
  /** Loopback ports that a listener binds instead; listeners not named are left out. */
  readonly listeners: Readonly<Record<string, readonly number[]>>;
  /** Loopback port of the application behind an inbound cluster. */
  readonly applications: Readonly<Record<string, number>>;
}

/** A snapshot's resources as they are, but for addresses. */
export function relocated(snapshot: Snapshot, places: Places): readonly Resource[] {
  return [...snapshot.values()].flatMap((byName) =>
    [...byName.values()].flatMap((resource) => {
      if (resource.typeUrl === TYPE_URLS.listener) return movedListener(resource, places.listeners[resource.name]);
      const application = places.applications[resource.name];
      const moved = resource.typeUrl === TYPE_URLS.cluster && application !== undefined;
      return moved ? [applicationCluster(resource, application)] : [resource];
    }),
  );
}

function movedListener(resource: Resource, ports: readonly number[] = []): readonly Resource[] {
  const [first, ...rest] = ports;
  if (first === undefined) return [];
  const listener = decoded(ListenerSchema, resource);
  listener.address = loopback(first);
  listener.additionalAddresses = rest.map((port) => create(AdditionalAddressSchema, { address: loopback(port) }));
  listener.bindToPort = true;
  return [toResource(ListenerSchema, listener, resource.name)];
}

/** The protocol options stay, so the application is spoken to as it would be. */
function applicationCluster(resource: Resource, port: number): Resource {
  const { name, typedExtensionProtocolOptions } = decoded(ClusterSchema, resource);
  const endpoint = { hostIdentifier: { case: 'endpoint', value: { address: loopback(port) } } } as const;
  const cluster = create(ClusterSchema, {
    name,
    typedExtensionProtocolOptions,
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [endpoint] }] },
  });
  return toResource(ClusterSchema, cluster, name);
}

function loopback(portValue: number): Address {
  return create(AddressSchema, {
    address: {
      case: 'socketAddress',
      value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: portValue } },
    },
  });
}

/** The workload's key and certificate, as the agent serves it. */
export function certificateSecret({ chain, key }: Identity): Resource {
  const secret = create(SecretSchema, {
    name: 'default',
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: { specifier: { case: 'inlineString', value: chain } },
        privateKey: { specifier: { case: 'inlineString', value: key } },
      },
    },
  });
  return toResource(SecretSchema, secret, 'default');
}
