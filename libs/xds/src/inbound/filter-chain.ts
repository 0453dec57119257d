import type { FilterChainSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { HttpConnectionManager_ForwardClientCertDetails as ForwardClientCert } from '#proto-gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb';
import { httpAccessFilters, networkAccessFilters } from '../authz/rbac.js';
import type { Init } from '../envoy/init.js';
import { httpConnectionManager, type NetworkFilter, tcpProxy } from '../envoy/network-filters.js';
import { inboundCluster, names, narrowedTrustSecret, ports } from '../resource-names.js';
import { meshServerTls } from '../identity/transport-sockets.js';
import { type ChainPlan, chainPlans } from './chain-match.js';
import type { InboundFacts, InboundPort } from './facts.js';

type FilterChain = Init<typeof FilterChainSchema>;

/** One chain of a workload port. */
export function portChain(facts: InboundFacts, port: InboundPort, plan: ChainPlan): FilterChain {
  const cluster = port.served ? inboundCluster(port.port) : names.inboundPassthroughCluster;
  const access = { ...facts, grantedTrustDomains: port.grantedTrustDomains };
  return {
    name: `0.0.0.0_${port.port}`,
    filterChainMatch: { destinationPort: port.port, ...plan.match },
    ...transport(plan, port.grantedTrustDomains),
    filters: plan.http ? [inboundHttp(port.port, plan)] : [...networkAccessFilters(access), tcpProxy(cluster)],
  };
}

/** Chains for ports that no Service names: bytes to where they were going, under the same rules, and for peers none unless all is theirs. */
export function passthroughChains(facts: InboundFacts): readonly FilterChain[] {
  const access = { ...facts, grantedTrustDomains: facts.grantedEverything };
  return chainPlans(facts.mode, 'TCP').map((plan) => ({
    name: names.virtualInbound,
    filterChainMatch: plan.match,
    ...transport(plan, facts.grantedEverything),
    filters: [...networkAccessFilters(access), tcpProxy(names.inboundPassthroughCluster)],
  }));
}

/** A connection to the inbound port itself would loop. */
export function blackHoleChain(): FilterChain {
  return {
    name: 'virtualInbound-blackhole',
    filterChainMatch: { destinationPort: ports.inbound },
    filters: [tcpProxy(names.blackHoleCluster)],
  };
}

/**
 * A chain of bytes knows only the trust domains its port is granted to: others fail the handshake, so that not even the greeting of
 * a server that speaks first gets out. An HTTP chain knows all, and its rules answer 403.
 */
function transport({ mutualTls, http }: ChainPlan, granted: readonly string[]): Pick<FilterChain, 'transportSocket'> {
  if (!mutualTls) return {};
  return { transportSocket: meshServerTls(http ? names.trustSecret : narrowedTrustSecret(granted)) };
}

/** The caller's identity is what TLS proved: an x-forwarded-client-cert that came along is replaced, or removed where there is none. */
function inboundHttp(port: number, plan: ChainPlan): NetworkFilter {
  return httpConnectionManager({
    statPrefix: `inbound_0.0.0.0_${port}`,
    routeName: inboundCluster(port),
    filters: httpAccessFilters(),
    clientCertificate: plan.mutualTls
      ? {
          forwardClientCertDetails: ForwardClientCert.SANITIZE_SET,
          setCurrentClientCertDetails: { subject: true, uri: true, dns: true },
        }
      : { forwardClientCertDetails: ForwardClientCert.SANITIZE },
  });
}
