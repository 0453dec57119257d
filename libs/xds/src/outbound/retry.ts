import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import type { RetryPolicySchema, RouteMatchSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { PreviousHostsPredicateSchema } from '#proto-gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb';
import type { Init } from '../envoy/init.js';
import { regex } from '../envoy/string-match.js';

/** A request to which nothing was sent yet, or that the server promised not to have begun, may always be sent again. */
const always = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,reset-before-request';
/** A lost connection hides whether the request was carried out: only where repeating it does no harm. */
const whenRepeatable = `${always},reset`;

function retryPolicy(retryOn: string): Init<typeof RetryPolicySchema> {
  return {
    retryOn,
    numRetries: 2,
    hostSelectionRetryMaxAttempts: 5n,
    retriableStatusCodes: [503],
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

/**
 * Istio's default retries, and on a lost connection (a gateway that dies) also requests that may be repeated: safe methods by
 * RFC 9110, section 9.2.1, and gRPC calls, which the default repeats on UNAVAILABLE already. Order matters: first match wins.
 */
export function retryClasses(): readonly RetryClass[] {
  const repeatable = retryPolicy(whenRepeatable);
  return [
    { match: { pathSpecifier: anyPath, grpc: {} }, retryPolicy: repeatable },
    {
      match: {
        pathSpecifier: anyPath,
        headers: [
          {
            name: ':method',
            headerMatchSpecifier: { case: 'stringMatch', value: regex('GET|HEAD|OPTIONS|TRACE') },
          },
        ],
      },
      retryPolicy: repeatable,
    },
    { match: { pathSpecifier: anyPath }, retryPolicy: retryPolicy(always) },
  ];
}
