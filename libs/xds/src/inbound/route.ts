import { create } from '@bufbuild/protobuf';
import { type Resource, toResource } from '#proto';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import { routedAccessRules } from '../authz/rbac.js';
import { allTo } from '../envoy/route-action.js';
import { inboundCluster } from '../resource-names.js';
import type { InboundFacts, InboundPort } from './facts.js';

/**
 * Routes of one workload port, with the access rules of its HTTP filters: delivered by RDS they take effect on the next request of
 * every open connection and drain nobody (trust rule 10).
 */
export function inboundRouteFor(facts: InboundFacts, port: InboundPort): Resource {
  const name = inboundCluster(port.port);
  const access = { ...facts, grantedTrustDomains: port.grantedTrustDomains };
  const configuration = create(RouteConfigurationSchema, {
    name,
    validateClusters: false,
    virtualHosts: [
      {
        name: `inbound|http|${port.port}`,
        domains: ['*'],
        typedPerFilterConfig: routedAccessRules(access),
        routes: [allTo('default', name, { retryOn: 'reset-before-request', numRetries: 2 })],
      },
    ],
  });
  return toResource(RouteConfigurationSchema, configuration, name);
}
