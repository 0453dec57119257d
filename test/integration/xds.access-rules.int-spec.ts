import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuthorizationPolicy, MeshModel } from '#xds';
import { ownDomain, peerDomain } from '../../libs/xds/src/model.fixture.js';
import { waitFor } from '../harness/child.js';
import { caFor, type Identity, identityFor } from './xds/identities.js';
import { InboundProxy, inboundIdentity } from './xds/inbound-proxy.js';

const ownCa = caFor(ownDomain);
const peerCa = caFor(peerDomain);
const callers = {
  own: identityFor(ownCa, `spiffe://${ownDomain}/ns/demo/sa/client`),
  sibling: identityFor(ownCa, `spiffe://${ownDomain}/ns/demo/sa/client-2`),
  peer: identityFor(peerCa, `spiffe://${peerDomain}/ns/store/sa/buyer`),
};
type Caller = keyof typeof callers;

const shared: Pick<MeshModel, 'trust' | 'grants'> = {
  trust: { roots: ownCa.roots, peers: [{ trustDomain: peerDomain, roots: peerCa.roots, crls: [] }] },
  grants: [{ trustDomain: peerDomain, everything: true, allowed: [] }],
};

/** A policy in the namespace of the workload; rules as an API server of another version may hold them. */
function policy(action: 'ALLOW' | 'DENY', ...rules: readonly object[]): AuthorizationPolicy {
  return { name: 'p', namespace: 'demo', action, selector: { app: 'echo' }, rules };
}

const from = (source: object): object => ({ from: [{ source }] });

describe('whom a real Envoy lets in by an AuthorizationPolicy', () => {
  let proxy: InboundProxy;

  beforeAll(async () => {
    proxy = await InboundProxy.start(identityFor(ownCa, inboundIdentity), shared);
  }, 120_000);

  afterAll(async () => proxy?.stop());

  /** Who gets through on HTTP, and who on TCP. */
  async function entering(): Promise<readonly (readonly Caller[])[]> {
    const found: readonly [Caller[], Caller[]] = [[], []];
    for (const [name, caller] of Object.entries(callers) as [Caller, Identity][]) {
      if ((await proxy.status(caller)) === 200) found[0].push(name);
      if (await proxy.reached(caller)) found[1].push(name);
    }
    return found;
  }

  /** Waits until exactly these enter. */
  async function enter(expected: readonly Caller[]): Promise<void> {
    const wanted = JSON.stringify([expected, expected]);
    let seen = '';
    const entered = async (): Promise<true | undefined> => {
      seen = JSON.stringify(await entering());
      return seen === wanted ? true : undefined;
    };
    await waitFor(`${wanted} to enter`, entered, { timeoutMs: 25_000 }).catch((error: unknown) => {
      throw new Error(`entered: ${seen}`, { cause: error });
    });
  }

  const cases: readonly [string, AuthorizationPolicy, readonly Caller[]][] = [
    ['a service account of the policy’s namespace', policy('ALLOW', from({ serviceAccounts: ['client'] })), ['own']],
    ['a service account elsewhere', policy('ALLOW', from({ serviceAccounts: ['store/buyer'] })), ['peer']],
    ['all but a service account', policy('ALLOW', from({ notServiceAccounts: ['demo/client'] })), ['sibling', 'peer']],
    ['not a denied service account', policy('DENY', from({ serviceAccounts: ['demo/client'] })), ['sibling', 'peer']],
    ['a trust domain', policy('ALLOW', from({ trustDomains: [peerDomain] })), ['peer']],
    ['trust domains by prefix', policy('ALLOW', from({ trustDomains: ['alpha.*'] })), ['own', 'sibling']],
    ['all but a trust domain', policy('ALLOW', from({ notTrustDomains: ['*.example'] })), []],
    ['not a denied trust domain', policy('DENY', from({ trustDomains: [peerDomain] })), ['own', 'sibling']],
    [
      'a service account by condition',
      policy('ALLOW', { when: [{ key: 'source.serviceAccount', values: ['demo/client'] }] }),
      ['own'],
    ],
    [
      'all but a trust domain by condition',
      policy('ALLOW', { when: [{ key: 'source.trustDomain', notValues: [ownDomain] }] }),
      ['peer'],
    ],
    ['nobody by a source field that is not known', policy('ALLOW', from({ zones: ['a'] })), []],
    [
      'nobody by an operation field that is not known',
      policy('ALLOW', { to: [{ operation: { queries: ['a'] } }] }),
      [],
    ],
    ['nobody by a key that is not known', policy('ALLOW', { when: [{ key: 'source.zone', notValues: ['a'] }] }), []],
    ['nobody by an address that is none', policy('ALLOW', from({ ipBlocks: ['ten'] })), []],
    ['whom the other rule lets in', policy('ALLOW', from({ zones: ['a'] }), from({ namespaces: ['store'] })), ['peer']],
    [
      'not whom the known part of a DENY rule names',
      policy('DENY', from({ zones: ['a'], namespaces: ['store'] })),
      ['own', 'sibling'],
    ],
  ];
  it.each(cases)(
    '%s',
    async (_whom, authorizationPolicy, expected) => {
      // From the opposite, so that what is seen comes of these rules.
      const before = expected.length > 0 ? [policy('DENY', {})] : [];
      proxy.serve({ ...shared, authorizationPolicies: before });
      await enter(expected.length > 0 ? [] : ['own', 'sibling', 'peer']);
      proxy.serve({ ...shared, authorizationPolicies: [authorizationPolicy] });
      await enter(expected);
      expect(proxy.refusals).toEqual([]);
    },
    90_000,
  );
});
