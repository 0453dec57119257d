import { describe, expect, it } from '@jest/globals';
import { create, toJson } from '@bufbuild/protobuf';
import { PolicySchema } from '#proto-gen/envoy/config/rbac/v3/rbac_pb';
import type { AuthorizationRule } from '../mesh-model.js';
import { policyForRule } from './rule.js';

const trustDomain = 'alpha.example';

const json = (rule: AuthorizationRule, action: 'ALLOW' | 'DENY', http: boolean): unknown => {
  const policy = policyForRule(rule, { action, http }, trustDomain);
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
});
