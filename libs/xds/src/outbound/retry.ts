import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type { RetryPolicySchema, RouteMatchSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { PreviousHostsPredicateSchema } from '#proto-gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb';
import { duration } from '../envoy/config.js';
import { PreviousPrioritiesConfigSchema } from '#proto-gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb';
import type { Init } from '../envoy/init.js';
import { regex } from '../envoy/string-match.js';
import type { MeshService } from '../mesh-model.js';

/** A request to which nothing was sent yet, or that the server promised not to have begun, may always be sent again. */
const always = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,reset-before-request';
/** A lost connection hides whether the request was carried out: only where repeating it does no harm. */
const whenRepeatable = `${always},reset`;

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

function retryPolicy(retryOn: string, attempts: Init<typeof RetryPolicySchema>): Init<typeof RetryPolicySchema> {
  return {
    retryOn,
    ...attempts,
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

/** A class of requests and how they are retried. */
export interface RetryClass {
  readonly match: Init<typeof RouteMatchSchema>;
  readonly retryPolicy: Init<typeof RetryPolicySchema>;
}

const anyPath = { case: 'prefix', value: '/' } as const;

/** Requests that may not be repeated once the server may have seen them: no safe method (RFC 9110, section 9.2.1), and no gRPC call. */
const unrepeatable: Init<typeof RouteMatchSchema> = {
  pathSpecifier: anyPath,
  headers: [
    {
      name: ':method',
      invertMatch: true,
      headerMatchSpecifier: { case: 'stringMatch', value: regex('GET|HEAD|OPTIONS|TRACE') },
    },
    {
      name: 'content-type',
      invertMatch: true,
      treatMissingHeaderAsEmpty: true,
      headerMatchSpecifier: { case: 'stringMatch', value: regex('application/grpc(\\+.*)?') },
    },
  ],
};

/**
 * Istio's default retries, and on a lost connection (a gateway that dies) also requests that may be repeated; gRPC calls are, since the
 * default repeats them on UNAVAILABLE already. Order matters: first match wins. Two classes, since each is a route of every service, and
 * routes are most of what a proxy spends on a change.
 */
export function retryClasses(service: Pick<MeshService, 'throughGateways'>): readonly RetryClass[] {
  const attempts = service.throughGateways ? throughGateways : direct;
  return [
    { match: unrepeatable, retryPolicy: retryPolicy(always, attempts) },
    { match: { pathSpecifier: anyPath }, retryPolicy: retryPolicy(whenRepeatable, attempts) },
  ];
}
