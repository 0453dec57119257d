import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type { RetryPolicySchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { PreviousHostsPredicateSchema } from '#proto-gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb';
import { PreviousPrioritiesConfigSchema } from '#proto-gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb';
import { duration } from '../envoy/config.js';
import type { Init } from '../envoy/init.js';
import type { MeshService } from '../mesh-model.js';

/**
 * Istio's default: a request to which nothing was sent yet, or that the server promised not to have begun, may always be sent again. What
 * may be repeated on a lost connection too is told by `retryOnLostConnection`, so that a service needs one route: routes are most of what a
 * proxy spends on a change.
 */
const retryOn = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,reset-before-request';

/**
 * A gateway's address usually stands for several replicas, told apart only by a balancer that may send connections to a dead one
 * until it notices. Then every attempt is one more throw of the dice, so that attempts go on, ever later, until it has noticed.
 */
const throughGateways = { numRetries: 6, retryBackOff: { baseInterval: duration(25), maxInterval: duration(1000) } };
/** Istio's default. */
const direct = { numRetries: 2 };

/**
 * The second retry leaves the priority that failed twice: pods that are going away, and have no sibling, are got round by another zone or cluster
 * before their endpoints are gone.
 */
const retryPriority: NonNullable<Init<typeof RetryPolicySchema>['retryPriority']> = {
  name: 'envoy.retry_priorities.previous_priorities',
  configType: {
    case: 'typedConfig',
    value: packed(PreviousPrioritiesConfigSchema, create(PreviousPrioritiesConfigSchema, { updateFrequency: 2 })),
  },
};

/** How requests to a service are retried. */
export function retryPolicyFor(service: Pick<MeshService, 'throughGateways'>): Init<typeof RetryPolicySchema> {
  return {
    retryOn,
    ...(service.throughGateways ? throughGateways : direct),
    hostSelectionRetryMaxAttempts: 5n,
    retriableStatusCodes: [503],
    retryPriority,
    retryHostPredicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        configType: {
          case: 'typedConfig',
          value: packed(PreviousHostsPredicateSchema, create(PreviousHostsPredicateSchema)),
        },
      },
    ],
  };
}
