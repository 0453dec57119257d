import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { parse } from 'yaml';
import type { Service } from '#istio-api';
import { isFields } from '#model';
import type { Fields } from '#model';
import type { ClusterGateways, NetworkGateway } from '#xds';

/** One gateway of a network as `meshNetworks` names it: an address, or a Service whose external addresses count. */
interface GatewayEntry {
  readonly address?: string;
  readonly service?: { readonly namespace: string; readonly name: string };
  readonly port: number;
}

interface Network {
  readonly name: string;
  readonly registries: readonly string[];
  readonly ranges: readonly ReturnType<typeof ipaddr.parseCIDR>[];
  readonly gateways: readonly GatewayEntry[];
}

/** One cluster of our own key `clusterGateways`; without gateways it needs none. */
interface Cluster {
  readonly id: string;
  readonly network: string;
  readonly gateways?: readonly GatewayEntry[];
}

/** Finds a Service by the cluster that it is in. */
export type FindService = (clusterID: string, namespace: string, name: string) => Service | undefined;

/**
 * Istio's `meshNetworks`: which pods are on which network, and how a network is entered from another. Beside it, since a gateway serves its
 * own cluster only, whose gateway is whose.
 */
export class MeshNetworks {
  static readonly none = new MeshNetworks([], []);
  readonly #networks: readonly Network[];
  readonly #clusters: readonly Cluster[];

  private constructor(networks: readonly Network[], clusters: readonly Cluster[]) {
    this.#networks = networks;
    this.#clusters = clusters;
  }

  /**
   * Reads ConfigMap `istio`, keys `meshNetworks` (YAML) and `clusterGateways` (JSON by cluster ID: network, gateways); throws an error that
   * says what is wrong with them.
   */
  static parse(text: string, clusterGateways = '{}'): MeshNetworks {
    const value: unknown = parse(text, { logLevel: 'error' }) ?? {};
    const networks = isFields(value) ? (value['networks'] ?? {}) : undefined;
    if (!isFields(networks)) throw new Error('not a YAML map with a key "networks"');
    const clusters: unknown = parse(clusterGateways);
    if (!isFields(clusters)) throw new Error('clusterGateways is not a map by cluster ID');
    return new MeshNetworks(
      Object.entries(networks).map(([name, network]) => networkFrom(name, network)),
      Object.entries(clusters).map(([id, cluster]) => clusterFrom(id, cluster)),
    );
  }

  /** The network of a pod by its cluster, else by its address. */
  networkOf(clusterID: string, address: string): string | undefined {
    const byRegistry = this.#networks.find(({ registries }) => registries.includes(clusterID));
    if (byRegistry !== undefined || !ipaddr.isValid(address)) return byRegistry?.name;
    const parsed = ipaddr.parse(address);
    return this.#networks.find(({ ranges }) =>
      ranges.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits)),
    )?.name;
  }

  /** Names of gateways that have to be resolved, and addresses that have to be judged. */
  hosts(find: FindService): readonly string[] {
    return [
      ...this.#networks.flatMap((network) =>
        network.gateways.flatMap((gateway) => addressesOf(network, gateway, find)),
      ),
      ...this.#clusters.flatMap(({ gateways = [] }) => gateways.flatMap(({ address }) => address ?? [])),
    ];
  }

  /** All gateways; a network whose gateways' names are not resolved yet shows one without an address. */
  gateways(find: FindService, resolved: ReadonlyMap<string, readonly string[]>): readonly NetworkGateway[] {
    return this.#networks.flatMap((network) => {
      const found = network.gateways.flatMap((gateway): readonly NetworkGateway[] =>
        addressesOf(network, gateway, find)
          .flatMap((each) => resolvedAs(each, resolved))
          .map((address) => ({ network: network.name, address, port: gateway.port })),
      );
      const [first] = network.gateways;
      const unknown = first === undefined ? [] : [{ network: network.name, port: first.port }];
      return found.length > 0 ? found : unknown;
    });
  }

  /** Clusters of which it is known how they are entered; of their gateways those with a known address. */
  clusterGateways(resolved: ReadonlyMap<string, readonly string[]>): readonly ClusterGateways[] {
    return this.#clusters.map(({ id, network, gateways }) => {
      if (gateways === undefined) return { cluster: id, network };
      const found = gateways.flatMap(({ address = '', port }) =>
        resolvedAs(address, resolved).map((ip) => ({ address: ip, port })),
      );
      return { cluster: id, network, gateways: found };
    });
  }
}

/** Of an address that was judged what may be used of it: itself or nothing. */
function resolvedAs(address: string, resolved: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return resolved.get(address) ?? (isIP(address) === 0 ? [] : [address]);
}

function addressesOf(
  { registries }: Network,
  { address, service }: GatewayEntry,
  find: FindService,
): readonly string[] {
  if (service === undefined) return address === undefined ? [] : [address];
  return registries
    .flatMap((clusterID) => find(clusterID, service.namespace, service.name)?.status?.loadBalancer?.ingress ?? [])
    .flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
}

function networkFrom(name: string, value: unknown): Network {
  const network = isFields(value) ? value : {};
  const endpoints = listOf(network['endpoints']);
  return {
    name,
    registries: endpoints.flatMap(({ fromRegistry }) => (typeof fromRegistry === 'string' ? [fromRegistry] : [])),
    ranges: endpoints.flatMap(({ fromCidr }) => (typeof fromCidr === 'string' ? [rangeFrom(name, fromCidr)] : [])),
    gateways: listOf(network['gateways']).map((gateway) => gatewayFrom(`network ${name}`, gateway)),
  };
}

function clusterFrom(id: string, value: unknown): Cluster {
  const { network, gateways } = isFields(value) ? value : {};
  if (typeof network !== 'string') throw new Error(`clusterGateways, cluster ${id}: no network`);
  if (gateways === undefined) return { id, network };
  const entries = listOf(gateways).map(({ address, port }) =>
    gatewayFrom(`clusterGateways, cluster ${id}`, { address, port }),
  );
  return { id, network, gateways: entries };
}

function rangeFrom(network: string, text: string): ReturnType<typeof ipaddr.parseCIDR> {
  if (!ipaddr.isValidCIDR(text)) throw new Error(`network ${network}: fromCidr "${text}" is no address range`);
  return ipaddr.parseCIDR(text);
}

function gatewayFrom(whose: string, { address, registryServiceName, port }: Fields): GatewayEntry {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`${whose}: a gateway has no valid port`);
  if (typeof address === 'string' && address !== '') return { address, port };
  const [name, namespace] = typeof registryServiceName === 'string' ? registryServiceName.split('.') : [];
  if (name === undefined || namespace === undefined)
    throw new Error(`${whose}: a gateway has neither address nor registryServiceName (service.namespace…)`);
  return { service: { namespace, name }, port };
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}
