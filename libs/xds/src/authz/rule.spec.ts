import { describe, expect, it } from '@jest/globals';
import { create, toJson } from '@bufbuild/protobuf';
import { PolicySchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import type { AuthorizationRule } from '../mesh-model.js';
import { policyFaults } from './faults.js';
import { policyForRule } from './rule.js';

const scope = { trustDomain: 'alpha.example', namespace: 'own' };

const json = (rule: AuthorizationRule, action: 'ALLOW' | 'DENY', http: boolean): unknown => {
  const policy = policyForRule(rule, { action, http }, scope);
  return policy === undefined ? undefined : toJson(PolicySchema, create(PolicySchema, policy));
};

const any = { any: true };
const some = (...ids: object[]): object => ({ orIds: { ids } });
const all = (...ids: object[]): object => ({ andIds: { ids } });
const who = (match: object): object => ({ authenticated: { principalName: match } });
const what = (...rules: object[]): object => ({
  andRules: { rules: rules.map((rule) => ({ orRules: { rules: [rule] } })) },
});

describe('policyForRule', () => {
  const cases: readonly [string, AuthorizationRule, object][] = [
    ['everything', {}, { permissions: [any], principals: [any] }],
    [
      'a principal',
      { from: [{ source: { principals: ['beta.example/ns/a/sa/b'] } }] },
      { permissions: [any], principals: [all(some(who({ exact: 'spiffe://beta.example/ns/a/sa/b' })))] },
    ],
    [
      'cluster.local for our own trust domain, a prefix, a suffix, anybody',
      { from: [{ source: { principals: ['cluster.local/ns/a/*', '*/sa/b', '*'] } }] },
      {
        permissions: [any],
        principals: [
          all(
            some(
              who({ prefix: 'spiffe://alpha.example/ns/a/' }),
              who({ suffix: '/sa/b' }),
              who({ safeRegex: { regex: '.+' } }),
            ),
          ),
        ],
      },
    ],
    [
      'a service account of a namespace, one of the policy’s own namespace, in whatever trust domain',
      { from: [{ source: { serviceAccounts: ['a.b/c', 'd'] } }] },
      {
        permissions: [any],
        principals: [
          all(
            some(
              who({ safeRegex: { regex: 'spiffe://.+/ns/a\\.b/(.+/)?sa/c(/.+)?' } }),
              who({ safeRegex: { regex: 'spiffe://.+/ns/own/(.+/)?sa/d(/.+)?' } }),
            ),
          ),
        ],
      },
    ],
    [
      'trust domains: exact, prefix, suffix, any, and not one',
      { from: [{ source: { trustDomains: ['a.b', 'x.*', '*.y', '*'], notTrustDomains: ['c'] } }] },
      {
        permissions: [any],
        principals: [
          all(
            some(
              who({ prefix: 'spiffe://a.b/' }),
              who({ safeRegex: { regex: 'spiffe://x\\.[^/]*/.*' } }),
              who({ safeRegex: { regex: 'spiffe://[^/]*\\.y/.*' } }),
              who({ prefix: 'spiffe://' }),
            ),
            { notId: some(who({ prefix: 'spiffe://c/' })) },
          ),
        ],
      },
    ],
    [
      'not a service account',
      { from: [{ source: { notServiceAccounts: ['a/c'] } }] },
      {
        permissions: [any],
        principals: [all({ notId: some(who({ safeRegex: { regex: 'spiffe://.+/ns/a/(.+/)?sa/c(/.+)?' } })) })],
      },
    ],
    [
      'conditions on service account and trust domain, as the source fields',
      {
        when: [
          { key: 'source.serviceAccount', values: ['a/c'] },
          { key: 'source.trustDomain', notValues: ['b'] },
        ],
      },
      {
        permissions: [any],
        principals: [
          all(some(who({ safeRegex: { regex: 'spiffe://.+/ns/a/(.+/)?sa/c(/.+)?' } })), {
            notId: some(who({ prefix: 'spiffe://b/' })),
          }),
        ],
      },
    ],
    [
      'addresses with and without length',
      { from: [{ source: { remoteIpBlocks: ['fd00::/8', '10.0.0.1'] } }] },
      {
        permissions: [any],
        principals: [
          all(
            some(
              { remoteIp: { addressPrefix: 'fd00::', prefixLen: 8 } },
              { remoteIp: { addressPrefix: '10.0.0.1', prefixLen: 32 } },
            ),
          ),
        ],
      },
    ],
    [
      'not a namespace, and an address range',
      { from: [{ source: { notNamespaces: ['a.b'], ipBlocks: ['10.0.0.0/8'] } }] },
      {
        permissions: [any],
        principals: [
          all(
            { notId: some(who({ safeRegex: { regex: '.*/ns/a\\.b/.*' } })) },
            some({ directRemoteIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } }),
          ),
        ],
      },
    ],
    [
      'operations',
      { to: [{ operation: { methods: ['GET'], paths: ['/a*'], ports: ['80'] } }] },
      {
        principals: [any],
        permissions: [
          what(
            { destinationPort: 80 },
            { header: { name: ':method', stringMatch: { exact: 'GET' } } },
            { urlPath: { path: { prefix: '/a' } } },
          ),
        ],
      },
    ],
    [
      'hosts whatever their case, a path template',
      { to: [{ operation: { hosts: ['A.b'], paths: ['/x/{*}/y.z/{**}'] } }] },
      {
        principals: [any],
        permissions: [
          what(
            { header: { name: ':authority', stringMatch: { exact: 'A.b', ignoreCase: true } } },
            { urlPath: { path: { safeRegex: { regex: '/x/[^/]+/y\\.z/.*' } } } },
          ),
        ],
      },
    ],
    [
      'conditions beside every alternative',
      {
        from: [{ source: { namespaces: ['a'] } }],
        when: [
          { key: 'request.headers[x-a]', values: ['b'] },
          { key: 'connection.sni', values: ['*.c'] },
        ],
      },
      {
        principals: [
          all(
            some(who({ safeRegex: { regex: '.*/ns/a/.*' } })),
            some({ header: { name: 'x-a', stringMatch: { exact: 'b' } } }),
          ),
        ],
        permissions: [what({ requestedServerName: { suffix: '.c' } })],
      },
    ],
  ];
  it.each(cases)('%s', (_name, rule, expected) => {
    expect(json(rule, 'ALLOW', true)).toEqual(expected);
  });

  const httpOnly: readonly [string, AuthorizationRule][] = [
    ['paths', { to: [{ operation: { paths: ['/a'] } }] }],
    ['a header', { when: [{ key: 'request.headers[x]', values: ['a'] }] }],
    ['a request principal', { from: [{ source: { requestPrincipals: ['*'] } }] }],
    ['a claim', { when: [{ key: 'request.auth.claims[iss]', values: ['a'] }] }],
  ];
  it.each(httpOnly)('on TCP %s make an ALLOW rule fall away and a DENY rule wider', (_name, rule) => {
    expect(json(rule, 'ALLOW', false)).toBeUndefined();
    expect(json(rule, 'DENY', false)).toEqual({ permissions: [any], principals: [any] });
  });

  it('nobody has a request principal, since no filter reads tokens', () => {
    const rule = { from: [{ source: { requestPrincipals: ['*'] } }] };
    expect(json(rule, 'ALLOW', true)).toEqual({ permissions: [any], principals: [all(some({ notId: any }))] });
  });

  it('keeps the alternatives of an ALLOW rule that a TCP chain can tell', () => {
    const rule = { to: [{ operation: { paths: ['/a'] } }, { operation: { ports: ['1'] } }] };
    expect(json(rule, 'ALLOW', false)).toEqual({ principals: [any], permissions: [what({ destinationPort: 1 })] });
  });

  // Each beside a part that is understood, so that what is left of a DENY rule can be seen.
  const known = { principals: ['b/ns/a/sa/c'] };
  const left = { permissions: [any], principals: [all(some(who({ exact: 'spiffe://b/ns/a/sa/c' })))] };
  const notUnderstood: readonly [string, object][] = [
    ['a source field', { from: [{ source: { ...known, zones: ['a'] } }] }],
    ['the opposite of one', { from: [{ source: { ...known, notZones: ['a'] } }] }],
    ['a field beside the source', { from: [{ source: known, target: {} }] }],
    ['an operation field', { from: [{ source: known }], to: [{ operation: { queries: ['a'] } }] }],
    ['a field beside the operation', { from: [{ source: known }], to: [{ target: {} }] }],
    ['a field of the rule', { from: [{ source: known }], unless: [{}] }],
    ['a condition', { from: [{ source: known }], when: [{ key: 'source.zone', values: ['a'] }] }],
    ['a condition that excludes', { from: [{ source: known }], when: [{ key: 'source.zone', notValues: ['a'] }] }],
    ['no key of Istio’s', { from: [{ source: known }], when: [{ key: 'source.service_account', values: ['c'] }] }],
    ['a key that every object has', { from: [{ source: known }], when: [{ key: 'constructor', values: ['a'] }] }],
    ['no name of a header', { from: [{ source: known }], when: [{ key: 'request.headers[a b]', values: ['c'] }] }],
    ['a field of a condition', { from: [{ source: known }], when: [{ key: 'source.ip', ranges: ['::'] }] }],
    ['a condition without values', { from: [{ source: known }], when: [{ key: 'source.ip' }] }],
    ['no address', { from: [{ source: { ...known, ipBlocks: ['ten'] } }] }],
    ['an address with a zone', { from: [{ source: { ...known, notIpBlocks: ['fe80::1%eth0'] } }] }],
    ['a range too long', { from: [{ source: { ...known, remoteIpBlocks: ['10.0.0.0/33'] } }] }],
    ['a range among others', { from: [{ source: { ...known, ipBlocks: ['10.0.0.0/8', '192.168.1.300'] } }] }],
    ['a port among others', { from: [{ source: known }], to: [{ operation: { ports: ['8080', 'http'] } }] }],
    ['no port', { from: [{ source: known }], to: [{ operation: { ports: ['http'] } }] }],
    ['a port too high', { from: [{ source: known }], to: [{ operation: { notPorts: ['65536'] } }] }],
    ['a wildcard in a service account', { from: [{ source: { ...known, serviceAccounts: ['a/*'] } }] }],
    ['a service account of three parts', { from: [{ source: { ...known, serviceAccounts: ['a/b/c'] } }] }],
    ['a wildcard within a trust domain', { from: [{ source: { ...known, trustDomains: ['a*b'] } }] }],
  ];
  it.each(notUnderstood)(
    '%s that is not understood makes an ALLOW rule fall away, is told, and leaves a DENY rule',
    (_name, given) => {
      const rule = given as AuthorizationRule;
      expect(json(rule, 'ALLOW', true)).toBeUndefined();
      expect(json(rule, 'DENY', true)).toEqual(left);
      expect(policyFaults({ namespace: 'own', rules: [rule] }, scope.trustDomain)[0]).toMatch(
        /^spec\.rules\[0\]\.[a-z]/,
      );
    },
  );

  it('lets in by the alternatives that are understood, and tells of the other', () => {
    const rule = { from: [{ source: { zones: ['a'] } }, { source: known }] } as AuthorizationRule;
    expect(json(rule, 'ALLOW', true)).toEqual(left);
    expect(policyFaults({ namespace: 'own', rules: [{}, rule] }, scope.trustDomain)).toEqual([
      'spec.rules[1].from[0].source.zones: not known',
    ]);
  });

  it('tells a value that cannot be read, once', () => {
    const rule = { from: [{}, {}], when: [{ key: 'source.ip', values: ['10.0.0.1', 'ten'] }] };
    expect(policyFaults({ namespace: 'own', rules: [rule] }, scope.trustDomain)).toEqual([
      'spec.rules[0].when[0] (source.ip): "ten" cannot be read',
    ]);
  });
});
