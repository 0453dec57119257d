import { create } from '@bufbuild/protobuf';
import { encoded, type Resource, toResourceWithParts } from '#proto';
import { TrafficDirection } from '#proto-gen/envoy/config/core/v3/base_pb';
import { FilterChainSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import { ListenerSchema } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { duration, socketAddress } from '../envoy/config.js';
import { exceptOnPorts, httpInspector, onPorts, originalDestination, tlsInspector } from '../envoy/listener-filters.js';
import { names, ports } from '../resource-names.js';
import type { ResourceCache } from '../resource-cache.js';
import { carriesBytes, carriesHttp, chainPlans } from './chain-match.js';
import type { InboundFacts, InboundPort } from './facts.js';
import { blackHoleChain, passthroughChains, portChain } from './filter-chain.js';

/**
 * `virtualInbound`. What an HTTP port allows is not in here but in its route configuration. A change of what a TCP port allows
 * replaces that port's chains only: Envoy updates chains in place and drains just those that went, and only they are encoded anew.
 */
export function virtualInboundListener(cache: Pick<ResourceCache, 'part'>, facts: InboundFacts): Resource {
  const listener = create(ListenerSchema, {
    name: names.virtualInbound,
    address: socketAddress('0.0.0.0', ports.inbound),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: [originalDestination(), ...inspectors(facts)],
    listenerFiltersTimeout: duration(0),
    continueOnListenerFiltersTimeout: true,
  });
  const rules = JSON.stringify([facts.trustDomain, facts.policies]);
  const parts = [
    ...[blackHoleChain(), ...passthroughChains(facts)].map((chain) => encoded(FilterChainSchema, chain)),
    ...facts.ports.flatMap((port) =>
      chainPlans(port.mode, port.protocol).map((plan, index) => {
        const { grantedTrustDomains, ...rest } = port;
        const key = JSON.stringify([index, rest, ...(plan.http ? [] : [grantedTrustDomains, rules])]);
        return cache.part('filter chain', key, () => encoded(FilterChainSchema, portChain(facts, port, plan)));
      }),
    ),
  ];
  return toResourceWithParts(ListenerSchema, listener, names.virtualInbound, { field: 'filterChains', parts });
}

/**
 * HTTP is looked for only where the protocol is not known, TLS everywhere but where bytes come in as they are: there a server may speak
 * first. Where the workload itself is DISABLE that is so on all ports no Service names, too. A change here replaces the listener, so it follows
 * protocols and DISABLE alone, not grants or policies.
 */
function inspectors({ mode, ports: own }: InboundFacts): readonly ReturnType<typeof tlsInspector>[] {
  const numbers = (found: (port: InboundPort) => boolean): readonly number[] =>
    own.filter(found).map(({ port }) => port);
  const isOpen = (port: InboundPort): boolean => !carriesHttp(port.protocol) && port.mode === 'DISABLE';
  const untold = numbers(({ protocol }) => carriesHttp(protocol) && carriesBytes(protocol));
  const forTls =
    mode === 'DISABLE'
      ? onPorts(
          tlsInspector(),
          numbers((port) => !isOpen(port)),
        )
      : [exceptOnPorts(tlsInspector(), numbers(isOpen))];
  return [...forTls, ...onPorts(httpInspector(), untold)];
}
