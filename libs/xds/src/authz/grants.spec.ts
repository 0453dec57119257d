import { describe, expect, it } from '@jest/globals';
import type { PeerGrant } from '../mesh-model.js';
import { grantedTrustDomains, grantPolicy } from './grants.js';

const target = { namespace: 'demo', labels: { app: 'echo', tier: 'web' }, namedPorts: { http: 8080 } };
const grant = (trustDomain: string, allowed: PeerGrant['allowed']): PeerGrant => ({ trustDomain, allowed });

describe('grantedTrustDomains', () => {
  const cases: readonly [string, PeerGrant[], number | undefined, string[]][] = [
    ['by number', [grant('b', [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: [8080] }])], 8080, ['b']],
    ['by name', [grant('b', [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: ['http'] }])], 8080, ['b']],
    ['another port', [grant('b', [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: [8080] }])], 9000, []],
    [
      'another namespace',
      [grant('b', [{ namespace: 'x', podLabels: { app: 'echo' }, targetPorts: [8080] }])],
      8080,
      [],
    ],
    ['other labels', [grant('b', [{ namespace: 'demo', podLabels: { app: 'db' }, targetPorts: [8080] }])], 8080, []],
    ['no labels', [grant('b', [{ namespace: 'demo', podLabels: {}, targetPorts: [8080] }])], 8080, []],
    ['everything', [{ trustDomain: 'c', everything: true, allowed: [] }], 1, ['c']],
    ['everything, no port', [{ trustDomain: 'c', everything: true, allowed: [] }, grant('b', [])], undefined, ['c']],
  ];
  it.each(cases)('%s', (_name, grants, port, expected) => {
    expect(grantedTrustDomains(grants, target, port)).toEqual(expected);
  });
});

describe('grantPolicy', () => {
  it('names who may enter: our own trust domain and those granted, by whole trust domain', () => {
    const text = JSON.stringify(grantPolicy('own', ['b', 'a', 'b']));
    expect(text.match(/spiffe:\/\/[a-z]+\//g)).toEqual(['spiffe://a/', 'spiffe://b/', 'spiffe://own/']);
  });
});
