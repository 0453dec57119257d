import ipaddr from 'ipaddr.js';
import { parse } from 'yaml';
import type { Service } from '#istio-api';
import type { NetworkGateway } from '#xds';

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

type Fields = Readonly<Record<string, unknown>>;

/** Finds a Service by the cluster that it is in. */
export type FindService = (clusterID: string, namespace: string, name: string) => Service | undefined;

/** Istio's `meshNetworks`: which pods are on which network, and how a network is entered from another. */
export class MeshNetworks {
  static readonly none = new MeshNetworks([]);
  readonly #networks: readonly Network[];

  private constructor(networks: readonly Network[]) {
    this.#networks = networks;
  }

  /** Reads the YAML of ConfigMap `istio`, key `meshNetworks`; throws an error that says what is wrong with it. */
  static parse(text: string): MeshNetworks {
    const value: unknown = parse(text, { logLevel: 'error' });
    if (value === null || value === undefined) return MeshNetworks.none;
    const networks = isFields(value) ? (value['networks'] ?? {}) : undefined;
    if (!isFields(networks)) throw new Error('not a YAML map with a key "networks"');
    return new MeshNetworks(Object.entries(networks).map(([name, network]) => networkFrom(name, network)));
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

  /** Names of gateways that have to be resolved. */
  hosts(find: FindService): readonly string[] {
    return this.#networks.flatMap((network) =>
      network.gateways.flatMap((gateway) =>
        addressesOf(network, gateway, find).filter((each) => !ipaddr.isValid(each)),
      ),
    );
  }

  /** All gateways; a network whose gateways' names are not resolved yet shows one without an address. */
  gateways(find: FindService, resolved: ReadonlyMap<string, readonly string[]>): readonly NetworkGateway[] {
    return this.#networks.flatMap((network) => {
      const found = network.gateways.flatMap((gateway): readonly NetworkGateway[] =>
        addressesOf(network, gateway, find)
          .flatMap((each) => (ipaddr.isValid(each) ? [each] : (resolved.get(each) ?? [])))
          .map((address) => ({ network: network.name, address, port: gateway.port })),
      );
      const [first] = network.gateways;
      const unknown = first === undefined ? [] : [{ network: network.name, port: first.port }];
      return found.length > 0 ? found : unknown;
    });
  }
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
    gateways: listOf(network['gateways']).map((gateway) => gatewayFrom(name, gateway)),
  };
}

function rangeFrom(network: string, text: string): ReturnType<typeof ipaddr.parseCIDR> {
  if (!ipaddr.isValidCIDR(text)) throw new Error(`network ${network}: fromCidr "${text}" is no address range`);
  return ipaddr.parseCIDR(text);
}

function gatewayFrom(network: string, { address, registryServiceName, port }: Fields): GatewayEntry {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`network ${network}: a gateway has no valid port`);
  if (typeof address === 'string' && address !== '') return { address, port };
  const [name, namespace] = typeof registryServiceName === 'string' ? registryServiceName.split('.') : [];
  if (name === undefined || namespace === undefined)
    throw new Error(`network ${network}: a gateway has neither address nor registryServiceName (service.namespace…)`);
  return { service: { namespace, name }, port };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}
