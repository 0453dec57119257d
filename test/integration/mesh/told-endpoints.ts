import type { Proxy } from './proxy.js';

/** Endpoints of one place as an Envoy has been told them. */
export interface Told {
  readonly priority: number;
  readonly zone: string;
  readonly weight: number;
  readonly endpoints: readonly string[];
}

interface Dump {
  readonly configs: readonly {
    readonly dynamic_endpoint_configs?: readonly { readonly endpoint_config: Assignment }[];
  }[];
}
interface Assignment {
  readonly cluster_name: string;
  readonly endpoints?: readonly {
    readonly priority?: number;
    readonly locality?: { readonly zone?: string };
    readonly lb_endpoints?: readonly {
      readonly load_balancing_weight?: number;
      readonly endpoint: { readonly address: { readonly socket_address: { address: string; port_value: number } } };
    }[];
  }[];
}

/** What an Envoy has been told of one of its clusters, by place; none when it does not know the cluster. */
export async function toldEndpoints(envoy: Proxy, cluster: string): Promise<readonly Told[]> {
  const dump = JSON.parse(await envoy.admin('/config_dump?include_eds')) as Dump;
  const all = dump.configs.flatMap(({ dynamic_endpoint_configs: found = [] }) => found);
  const assignment = all.find(({ endpoint_config: { cluster_name: name } }) => name === cluster)?.endpoint_config;
  return (assignment?.endpoints ?? []).map(({ priority = 0, locality, lb_endpoints: endpoints = [] }) => ({
    priority,
    zone: locality?.zone ?? '',
    weight: endpoints.reduce((sum, { load_balancing_weight: weight = 1 }) => sum + weight, 0),
    endpoints: endpoints
      .map(({ endpoint }) => endpoint.address.socket_address)
      .map(({ address, port_value: port }) => `${address}:${port}`)
      .sort(),
  }));
}
