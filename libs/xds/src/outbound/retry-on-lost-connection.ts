import { create } from '@bufbuild/protobuf';
import { packed } from '#proto';
import { HeaderValueOption_HeaderAppendAction } from '#proto-gen/envoy/config/core/v3/base_pb';
import { FilterConfigSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { ExtensionWithMatcherSchema } from '#proto-gen/envoy/extensions/common/matching/v3/extension_matcher_pb';
import { SkipFilterSchema } from '#proto-gen/envoy/extensions/filters/common/matcher/action/v3/skip_action_pb';
import { HeaderMutationSchema } from '#proto-gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb';
import { HttpRequestHeaderMatchInputSchema } from '#proto-gen/envoy/type/matcher/v3/http_inputs_pb';
import type { Matcher_MatcherList_PredicateSchema } from '#proto-gen/xds/type/matcher/v3/matcher_pb';
import type { StringMatcherSchema } from '#proto-gen/xds/type/matcher/v3/string_pb';
import type { Init } from '../envoy/init.js';
import type { HttpFilter } from '../envoy/network-filters.js';

type Predicate = Init<typeof Matcher_MatcherList_PredicateSchema>;
type Pattern = NonNullable<Init<typeof StringMatcherSchema>['matchPattern']>;

const filterName = 'isthmus.retry_on_lost_connection';

function header(headerName: string, matchPattern: Pattern): Predicate {
  const input = create(HttpRequestHeaderMatchInputSchema, { headerName });
  return {
    matchType: {
      case: 'singlePredicate',
      value: {
        input: { name: headerName, typedConfig: packed(HttpRequestHeaderMatchInputSchema, input) },
        matcher: { case: 'valueMatch', value: { matchPattern } },
      },
    },
  };
}

function anyOf(predicate: readonly Predicate[]): Predicate {
  return { matchType: { case: 'orMatcher', value: { predicate: [...predicate] } } };
}

function not(predicate: Predicate): Predicate {
  return { matchType: { case: 'notMatcher', value: predicate } };
}

/**
 * Requests that may be repeated although the server may have seen them: those with a safe method (RFC 9110, section 9.2.1), and gRPC calls
 * (`application/grpc`, alone or with `+` and a format), since the default repeats them on UNAVAILABLE already.
 */
const repeatable = anyOf([
  ...['GET', 'HEAD', 'OPTIONS', 'TRACE'].map((value) => header(':method', { case: 'exact', value })),
  header('content-type', { case: 'exact', value: 'application/grpc' }),
  header('content-type', { case: 'prefix', value: 'application/grpc+' }),
]);

/**
 * HTTP filter: retries on a lost connection (a gateway that dies) too, which hides whether the request was carried out, but only requests
 * that may be repeated. Envoy's router adds the conditions of `x-envoy-retry-on` to those of the route and passes that header on to nobody.
 */
export function retryOnLostConnection(): HttpFilter {
  const mutation = create(HeaderMutationSchema, {
    mutations: {
      requestMutations: [
        {
          action: {
            case: 'append',
            value: {
              header: { key: 'x-envoy-retry-on', value: 'reset' },
              appendAction: HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD,
            },
          },
        },
      ],
    },
  });
  const skip = { name: 'skip', typedConfig: packed(SkipFilterSchema, create(SkipFilterSchema)) };
  const onMatch = { onMatch: { case: 'action', value: skip } } as const;
  const matchers = [{ predicate: not(repeatable), onMatch }];
  const config = create(ExtensionWithMatcherSchema, {
    xdsMatcher: { matcherType: { case: 'matcherList', value: { matchers } } },
    extensionConfig: {
      name: 'envoy.filters.http.header_mutation',
      typedConfig: packed(HeaderMutationSchema, mutation),
    },
  });
  return { name: filterName, configType: { case: 'typedConfig', value: packed(ExtensionWithMatcherSchema, config) } };
}

/** `typedPerFilterConfig` where nothing is retried: the header alone would bring retries about. */
export function withoutRetries(): Record<string, ReturnType<typeof packed>> {
  return { [filterName]: packed(FilterConfigSchema, create(FilterConfigSchema, { disabled: true })) };
}
