import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { TrafficDirection } from '#proto-gen/envoy/config/core/v3/base_pb';
import { ListenerSchema } from '#proto-gen/envoy/config/listener/v3/listener_pb';
import { duration, socketAddress } from '../envoy/config.js';
import { httpInspector, originalDestination, tlsInspector } from '../envoy/listener-filters.js';
import { names, ports } from '../resource-names.js';
import type { InboundFacts } from './facts.js';
import { blackHoleChain, passthroughChains, portChains } from './filter-chain.js';

/**
 * `virtualInbound`. What an HTTP port allows is not in here but in its route configuration. A change of what a TCP port allows
 * replaces that port's chains only: Envoy updates chains in place and drains just those that went.
 */
export function virtualInboundListener(facts: InboundFacts): Resource {
  const listener = create(ListenerSchema, {
    name: names.virtualInbound,
    address: socketAddress('0.0.0.0', ports.inbound),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: [originalDestination(), tlsInspector(), httpInspector()],
    listenerFiltersTimeout: duration(0),
    continueOnListenerFiltersTimeout: true,
    filterChains: [
      blackHoleChain(),
      ...passthroughChains(facts),
      ...facts.ports.flatMap((port) => portChains(facts, port)),
    ],
  });
  return toResource(ListenerSchema, listener, names.virtualInbound);
}
