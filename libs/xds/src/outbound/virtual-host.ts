import type { VirtualHostSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { sortedUnique } from '#model';
import type { Init } from '../envoy/init.js';
import { allTo } from '../envoy/route-action.js';
import type { MeshService, MeshSettings } from '../mesh-model.js';
import { names, outboundCluster } from '../resource-names.js';
import { retryPolicyFor } from './retry.js';
import { withoutRetries } from './retry-on-lost-connection.js';

type VirtualHost = Init<typeof VirtualHostSchema>;

/** Names by which a client of a namespace calls a service; `dnsDomain` is `<client namespace>.svc.<cluster domain>`. */
export function domainsFor(service: MeshService, dnsDomain: string): readonly string[] {
  const { hostname, addresses } = service;
  const hosts = [hostname, ...shortNames(service, dnsDomain)];
  const subdomains = service.headless ? hosts.map((host) => `*.${host}`) : [];
  return [...hosts, `${hostname}.`, ...subdomains, ...sortedUnique(addresses).map(bracketed)];
}

/** Only services of the proxy's own cluster domain have short names: a peer's are called in full. */
function shortNames({ hostname, name, namespace }: MeshService, dnsDomain: string): readonly string[] {
  const at = dnsDomain.indexOf('.svc.');
  if (at < 0) return [];
  if (hostname !== `${name}.${namespace}${dnsDomain.slice(at)}`) return [];
  const qualified = [`${name}.${namespace}`, `${name}.${namespace}.svc`];
  return namespace === dnsDomain.slice(0, at) ? [name, ...qualified] : qualified;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Virtual host of one service port, with the domains that are still free. */
export function virtualHostFor(
  service: Pick<MeshService, 'hostname' | 'throughGateways'>,
  port: number,
  domains: readonly string[],
): VirtualHost {
  return {
    name: `${service.hostname}:${port}`,
    domains: [...domains],
    routes: [allTo('default', outboundCluster(port, service.hostname), retryPolicyFor(service))],
    includeRequestAttemptCount: true,
  };
}

/** Last resort for unknown hosts: pass through, or refuse with 502. */
export function fallbackVirtualHost(policy: MeshSettings['outboundTrafficPolicy']): VirtualHost {
  if (policy === 'REGISTRY_ONLY') {
    const match = { pathSpecifier: { case: 'prefix', value: '/' } } as const;
    const action = { case: 'directResponse', value: { status: 502 } } as const;
    return { name: 'block_all', domains: ['*'], routes: [{ name: 'block_all', match, action }] };
  }
  return {
    name: 'allow_any',
    domains: ['*'],
    routes: [allTo('allow_any', names.passthroughCluster)],
    typedPerFilterConfig: withoutRetries(),
  };
}
