import { describe, expect, it } from '@jest/globals';
import { decideRequest } from './decide-request.js';
import type { HeaderField, RequestHead } from './request-head.js';

const host: HeaderField = ['host', 'api.here.example'];

function head(target: string, over: Partial<RequestHead> = {}): RequestHead {
  return { httpVersion: '1.1', method: 'GET', target, headers: [host, ['authorization', 'Bearer x']], ...over };
}

function withHeaders(...headers: readonly HeaderField[]): Partial<RequestHead> {
  return { headers: [host, ['authorization', 'Bearer x'], ...headers] };
}

/** `<status> <reason>` of a refusal, or `<verb> <resource> <answer>`. */
function outcome(request: RequestHead): string {
  const decision = decideRequest(request);
  return decision.ok
    ? `${decision.verb} ${decision.resource} ${decision.answer}`
    : `${decision.status} ${decision.reason}`;
}

describe('what peers may read', () => {
  it.each([
    ['/version', 'get discovery forward'],
    ['/api', 'get discovery forward'],
    ['/apis?timeout=32s', 'get discovery forward'],
    ['/apis?timeout=1m0s', 'get discovery forward'],
    ['/api/v1', 'get discovery forward'],
    ['/apis/networking.istio.io', 'get discovery forward'],
    ['/apis/discovery.k8s.io/v1', 'get discovery forward'],
    ['/api/v1/services', 'list services forward'],
    ['/api/v1/pods?limit=500&resourceVersion=0', 'list pods forward'],
    ['/api/v1/namespaces/default/pods/web-1', 'get pods forward'],
    ['/api/v1/namespaces', 'list namespaces forward'],
    ['/api/v1/namespaces/default', 'get namespaces forward'],
    ['/api/v1/nodes/node-1.example.com', 'get nodes forward'],
    ['/api/v1/namespaces/default/endpoints', 'list endpoints forward'],
    ['/api/v1/replicationcontrollers?watch=true', 'watch replicationcontrollers forward'],
    ['/api/v1/pods?watch=0', 'list pods forward'],
    ['/apis/apps/v1/namespaces/default/replicasets/web', 'get replicasets.apps forward'],
    ['/apis/discovery.k8s.io/v1/endpointslices?watch=1', 'watch endpointslices.discovery.k8s.io forward'],
    ['/apis/networking.istio.io/v1/virtualservices', 'list virtualservices.networking.istio.io forward'],
    [
      '/apis/security.istio.io/v1beta1/namespaces/a/peerauthentications/b',
      'get peerauthentications.security.istio.io forward',
    ],
    ['/apis/gateway.networking.k8s.io/v1/gateways', 'list gateways.gateway.networking.k8s.io forward'],
    ['/apis/multicluster.x-k8s.io/v1alpha1/serviceexports', 'list serviceexports.multicluster.x-k8s.io forward'],
    [
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.networking.istio.io',
      'get customresourcedefinitions.apiextensions.k8s.io forward',
    ],
    ['/api/v1/pods?labelSelector=app%3Dweb%2Ctier%21%3Ddb&fieldSelector=spec.nodeName%3Dn1', 'list pods forward'],
    ['/api/v1/secrets', 'list secrets no-secrets'],
    ['/api/v1/namespaces/istio-system/secrets?watch=true', 'watch secrets no-secrets'],
    [
      '/api/v1/namespaces/istio-system/configmaps?fieldSelector=metadata.name%3Distio&limit=500',
      'list configmaps mesh-config',
    ],
    [
      '/api/v1/namespaces/mesh/configmaps?fieldSelector=metadata.name%3Distio-canary&watch=true',
      'watch configmaps mesh-config',
    ],
  ])('%s: %s', (target, expected) => {
    expect(outcome(head(target))).toBe(expected);
  });

  it('passes on what it judged: the path as it is, the query decoded once and encoded once', () => {
    const decision = decideRequest(head('/api/v1/pods?labelSelector=a+in+(b%2Cc)&watch=true'));
    expect(decision).toMatchObject({ path: '/api/v1/pods' });
    expect(decision.ok && [...decision.query]).toEqual([
      ['labelSelector', 'a in (b,c)'],
      ['watch', 'true'],
    ]);
  });
});

describe('paths that are not in their one canonical form', () => {
  it.each([
    '/api/v1/namespaces/../secrets',
    '/api/v1/pods/..',
    '/api/v1/./pods',
    '/api/v1/pods/%2e%2e/secrets',
    '/api/v1/%2E%2E/v1/secrets',
    '/api/v1/namespaces/a%2fsecrets/b',
    '/api/v1/namespaces/a%2Fpods',
    '/api/v1/%70ods',
    '/api/v1/pods%00',
    '/api/v1/pods%3fwatch=true',
    '/api/v1/pods%252e',
    '//api/v1/pods',
    '/api//v1/pods',
    '/api/v1/pods/',
    '/',
    '/api/v1/pods;a=b',
    '/api/v1;x/pods',
    '/API/v1/pods',
    '/api/V1/pods',
    '/api/v1/Pods',
    '/api/v1/pods.',
    '/api/v1/pods./x',
    '/api/v1/namespaces/a./pods',
    '/api/v1/namespaces/.a/pods',
    '/api/v1/namespaces/a..b/pods',
    '/api/v1/pods\\..\\secrets',
    '/api/v1/pods\0',
    '/api/v1/pods\r\nX: y',
    '/api/v1/pods ',
    '/api/v1/p\u00f6ds',
    '/api/v1/p\uff4fds',
    '/api/v1/pods#x',
    '/api/v1/*',
    '/api/v1/namespaces/-a/pods',
    'api/v1/pods',
    '*',
    '',
    'https://api.here.example/api/v1/pods',
    'http:/api/v1/pods',
    `/api/v1/pods/${'a'.repeat(254)}`,
    `/api/v1/${'a/'.repeat(1_100)}a`,
  ])('%j: 400', (target) => {
    expect(outcome(head(target))).toMatch(/^400 (path-form|path-too-long|target-form)$/);
  });
});

describe('clear, and not open to peers', () => {
  it.each([
    ['/api/v1/secrets/token', '403 secrets'],
    ['/api/v1/namespaces/kube-system/secrets/token', '403 secrets'],
    ['/api/v1/configmaps', '403 resource'],
    ['/api/v1/configmaps?fieldSelector=metadata.name%3Distio', '403 resource'],
    ['/api/v1/namespaces/istio-system/configmaps', '403 resource'],
    ['/api/v1/namespaces/istio-system/configmaps/istio', '403 resource'],
    ['/api/v1/namespaces/a/configmaps?fieldSelector=metadata.name%3Distio%2Cmetadata.namespace%3Db', '403 resource'],
    ['/api/v1/namespaces/a/configmaps?fieldSelector=metadata.name%21%3Distio', '403 resource'],
    ['/apis/apps/v1/namespaces/a/configmaps?fieldSelector=metadata.name%3Distio', '403 resource'],
    ['/api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert', '403 resource'],
    ['/api/v1/serviceaccounts', '403 resource'],
    ['/api/v1/events', '403 resource'],
    ['/api/v1/persistentvolumes', '403 resource'],
    ['/api/v1/componentstatuses', '403 resource'],
    ['/api/v2/pods', '403 path'],
    ['/api/v1/watch/pods', '403 legacy-path'],
    ['/api/v1/watch/secrets', '403 legacy-path'],
    ['/api/v1/watch/namespaces/a/secrets', '403 legacy-path'],
    ['/api/v1/proxy/nodes/n', '403 legacy-path'],
    ['/apis/networking.istio.io/v1/watch/virtualservices', '403 legacy-path'],
    ['/apis/networking.istio.io/v1/namespaces/a/watch/gateways', '403 resource'],
    ['/apis/networking.istio.io/v1/namespaces/a', '403 resource'],
    ['/api/v1/namespaces/a/watch/pods', '403 resource'],
    ['/api/v1/namespaces/a/pods/b/log', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/exec', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/attach', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/portforward', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/proxy', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/proxy/x', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/status', '403 subresource'],
    ['/api/v1/namespaces/a/pods/b/eviction', '403 subresource'],
    ['/api/v1/namespaces/a/services/b/proxy', '403 subresource'],
    ['/api/v1/namespaces/a/serviceaccounts/b/token', '403 subresource'],
    ['/api/v1/namespaces/a/status', '403 resource'],
    ['/api/v1/namespaces/a/finalize', '403 resource'],
    ['/api/v1/nodes/n/proxy', '403 subresource'],
    ['/api/v1/nodes/n/status', '403 subresource'],
    ['/apis/apps/v1/namespaces/a/replicasets/b/scale', '403 subresource'],
    ['/apis/networking.istio.io/v1/namespaces/a/workloadentries/b/status', '403 subresource'],
    ['/apis/apps/v1/deployments', '403 resource'],
    ['/apis/apps', 'get discovery forward'],
    ['/apis/batch/v1/jobs', '403 resource'],
    ['/apis/rbac.authorization.k8s.io/v1/clusterroles', '403 resource'],
    ['/apis/certificates.k8s.io', '403 group'],
    ['/apis/metrics.k8s.io/v1beta1', '403 group'],
    ['/apis/metrics.k8s.io/v1beta1/pods', '403 resource'],
    ['/apis/custom.metrics.k8s.io/v1beta1/namespaces/a/pods/b/c', '403 subresource'],
    ['/apis/isthmus.dev/v1alpha1/istiomulticlusters', '403 resource'],
    ['/apis/evil.istio.io/v1/things', '403 resource'],
    ['/apis/networking.istio.io.evil.example/v1/gateways', '403 resource'],
    ['/apis/constructor/v1/name', '403 resource'],
    ['/apis/networking.istio.io/latest/gateways', '403 path'],
    ['/apis/authentication.k8s.io/v1/tokenreviews', '403 resource'],
    ['/metrics', '403 path'],
    ['/metrics/cadvisor', '403 path'],
    ['/debug/pprof', '403 path'],
    ['/logs', '403 path'],
    ['/openapi/v2', '403 path'],
    ['/openapi/v3', '403 path'],
    ['/swagger.json', '403 path'],
    ['/healthz', '403 path'],
    ['/livez', '403 path'],
    ['/readyz', '403 path'],
    ['/configz', '403 path'],
    ['/version/openshift', '403 path'],
    ['/.well-known/openid-configuration', '400 path-form'],
    ['/openid/v1/jwks', '403 path'],
  ])('%s: %s', (target, expected) => {
    expect(outcome(head(target))).toBe(expected);
  });
});

describe('queries', () => {
  it.each([
    ['/api/v1/configmaps?watch=true&resourceVersion=1', '403 resource'],
    ['/api/v1/namespaces/a/secrets/b?watch=true', '403 secrets'],
    ['/api/v1/secrets?fieldSelector=metadata.name%3Dx', 'list secrets no-secrets'],
    ['/api/v1/pods?watch=true&watch=false', '400 query-twice'],
    ['/api/v1/pods?watch=', '400 query-value'],
    ['/api/v1/pods?watch', '400 query-value'],
    ['/api/v1/pods?watch=TRUE', '400 query-value'],
    ['/api/v1/pods?w%61tch=true', '400 query-parameter'],
    ['/api/v1/pods?Watch=true', '400 query-parameter'],
    ['/api/v1/pods?watch=true&', '400 query-parameter'],
    ['/api/v1/pods?&watch=true', '400 query-parameter'],
    ['/api/v1/pods?watch=true;limit=1', '400 query-form'],
    ['/api/v1/pods?watch=true#x', '400 query-form'],
    ['/api/v1/pods?labelSelector=a=b=c', 'list pods forward'],
    ['/api/v1/pods?labelSelector=%zz', '400 query-value'],
    ['/api/v1/pods?labelSelector=%00', '400 query-value'],
    ['/api/v1/pods?labelSelector=%0d%0a', '400 query-value'],
    ['/api/v1/pods?limit=-1', '400 query-value'],
    ['/api/v1/pods?dryRun=All', '400 query-parameter'],
    ['/api/v1/pods?__proto__=x', '400 query-parameter'],
    ['/api/v1/pods?access_token=eyJ', '400 token-in-query'],
    ['/api/v1/pods?token=eyJ', '400 token-in-query'],
    ['/api/v1/pods?Authorization=Bearer', '400 token-in-query'],
    ['/api/v1/namespaces/a/pods/b?watch=true', '400 query-misplaced'],
    ['/api/v1/namespaces/a/pods/b?resourceVersion=0&pretty=true', 'get pods forward'],
    ['/apis?watch=true', '400 query-misplaced'],
    [`/api/v1/pods?labelSelector=${'a'.repeat(9_000)}`, '400 query-too-long'],
  ])('%s: %s', (target, expected) => {
    expect(outcome(head(target))).toBe(expected);
  });
});

describe('methods', () => {
  it.each(['HEAD', 'OPTIONS', 'CONNECT', 'TRACE', 'PUT', 'PATCH', 'DELETE', 'QUERY', 'get', ''])(
    '%s: 403',
    (method) => {
      expect(outcome(head('/api/v1/pods', { method }))).toBe('403 read-only');
      expect(outcome(head('*', { method }))).toBe('403 read-only');
    },
  );

  it('POST is for reviews alone, and for whom they are allowed is asked later', () => {
    const post = { method: 'POST', ...withHeaders(['content-length', '10']) };
    const reviews = '/apis/authentication.k8s.io/v1/tokenreviews';
    const access = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    expect(outcome(head(reviews, post))).toBe('create tokenreviews.authentication.k8s.io review');
    expect(outcome(head(access, post))).toBe('create subjectaccessreviews.authorization.k8s.io review');
    for (const target of [
      '/api/v1/namespaces/a/pods',
      '/api/v1',
      `${reviews}/x`,
      '/apis/authentication.k8s.io/v1beta1/tokenreviews',
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      '/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews',
      '/apis/authorization.k8s.io/v1/namespaces/a/subjectaccessreviews',
    ]) {
      expect(outcome(head(target, post))).toBe('403 read-only');
    }
    expect(outcome(head(`${reviews}?dryRun=All`, post))).toBe('400 query-parameter');
    expect(outcome(head(reviews, { method: 'POST' }))).toBe('400 content-length');
    expect(outcome(head(reviews, { method: 'POST', ...withHeaders(['content-length', '70000']) }))).toBe(
      '413 body-too-large',
    );
  });
});

describe('what surrounds a request', () => {
  const cases: readonly (readonly [string, string, Partial<RequestHead>])[] = [
    ['two hosts', '400 host', withHeaders(['host', 'b'])],
    ['the same host twice', '400 host', withHeaders(host)],
    ['no host', '400 host', { headers: [] }],
    ['a host that is none', '400 host', { headers: [['host', 'a/b']] }],
    ['an empty host', '400 host', { headers: [['host', '']] }],
    ['two authorizations', '400 two-credentials', withHeaders(['authorization', 'Bearer y'])],
    ['transfer coding', '400 body-framing', withHeaders(['transfer-encoding', 'chunked'])],
    [
      'transfer coding and length',
      '400 body-framing',
      withHeaders(['transfer-encoding', 'chunked'], ['content-length', '3']),
    ],
    ['a body', '400 body', withHeaders(['content-length', '3'])],
    ['a length that is none', '400 content-length', withHeaders(['content-length', '+3'])],
    ['two lengths', '400 content-length', withHeaders(['content-length', '0'], ['content-length', '0'])],
    ['an expectation', '400 body-framing', withHeaders(['expect', '100-continue'])],
    ['trailers', '400 body-framing', withHeaders(['trailer', 'x'])],
    ['method override', '403 method-override', withHeaders(['x-http-method-override', 'DELETE'])],
    ['method override, shorter', '403 method-override', withHeaders(['x-http-method', 'DELETE'])],
    ['method override, other', '403 method-override', withHeaders(['x-method-override', 'DELETE'])],
    ['impersonated user', '403 impersonation', withHeaders(['impersonate-user', 'admin'])],
    ['impersonated group', '403 impersonation', withHeaders(['impersonate-group', 'system:masters'])],
    ['impersonated extra', '403 impersonation', withHeaders(['impersonate-extra-scopes', 'x'])],
    ['remote user', '403 impersonation', withHeaders(['x-remote-user', 'admin'])],
    ['remote group', '403 impersonation', withHeaders(['x-remote-group', 'system:masters'])],
    ['upgrade', '403 upgrade', withHeaders(['connection', 'Upgrade'], ['upgrade', 'websocket'])],
    ['upgrade to SPDY', '403 upgrade', withHeaders(['upgrade', 'SPDY/3.1'])],
    ['connection asks for upgrade', '403 upgrade', withHeaders(['connection', 'keep-alive, upgrade'])],
    ['web socket', '403 upgrade', withHeaders(['sec-websocket-protocol', 'v4.channel.k8s.io'])],
    ['many headers', '431 headers', withHeaders(...Array.from({ length: 70 }, (): HeaderField => ['a', 'b']))],
    ['HTTP/1.0', '400 http-version', { httpVersion: '1.0' }],
    ['HTTP/0.9', '400 http-version', { httpVersion: '0.9' }],
    ['HTTP/2 without authority', '400 host', { httpVersion: '2.0', headers: [host] }],
    ['HTTP/2 of two minds', '400 host', { httpVersion: '2.0', headers: [[':authority', 'a'], host] }],
    ['HTTP/2 with a body', '400 body', { httpVersion: '2.0', headers: [[':authority', 'a']], endsWithHeaders: false }],
    [
      'HTTP/2 web socket',
      '403 upgrade',
      {
        httpVersion: '2.0',
        headers: [
          [':authority', 'a'],
          [':protocol', 'websocket'],
        ],
      },
    ],
    ['HTTP/2', 'list pods forward', { httpVersion: '2.0', headers: [[':authority', 'a:1']], endsWithHeaders: true }],
    ['an IPv6 host', 'list pods forward', { headers: [['host', '[2001:db8::1]:6443']] }],
    ['headers of a proxy in front', 'list pods forward', withHeaders(['x-forwarded-for', '1.2.3.4'], ['via', 'x'])],
    ['connection: close', 'list pods forward', withHeaders(['connection', 'close'])],
    ['a length of nothing', 'list pods forward', withHeaders(['content-length', '0'])],
  ];

  it.each(cases)('%s: %s', (_name, expected, over) => {
    expect(outcome(head('/api/v1/pods', over))).toBe(expected);
  });
});
