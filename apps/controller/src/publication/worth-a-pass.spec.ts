import { describe, expect, it } from '@jest/globals';
import { labels } from '#model';
import { node } from '#testing';
import { isConfigMapWorthAPass, isNodeWorthAPass, isResourceWorthAPass, isSecretWorthAPass } from './worth-a-pass.js';

const federation = (more: object = {}) => ({ metadata: { name: 'b', uid: 'u', generation: 1, ...more } });

const waits = { status: { conditions: [{ type: 'TrustEstablished', reason: 'KeyChangedPendingApproval' }] } };

describe('what causes a publication pass', () => {
  it.each([
    ['a new IstioFederation', federation(), undefined, true],
    ['one that is gone', undefined, federation(), true],
    ['another spec, or a deletion that has begun', federation({ generation: 2 }), federation(), true],
    ['another object of the same name', federation({ uid: 'v' }), federation(), true],
    ['an annotation of ours', federation({ annotations: { 'isthmus.dev/x': '1', a: 'b' } }), federation(), true],
    ['an annotation of somebody else', federation({ annotations: { a: 'b' } }), federation(), false],
    ['a status by which newer documents wait now', { ...federation(), ...waits }, federation(), true],
    ['one by which they wait no more', federation(), { ...federation(), ...waits }, true],
    ['its status alone', federation({ resourceVersion: '2' }), federation({ resourceVersion: '1' }), false],
  ])('%s', (_what, current, previous, expected) => {
    expect(isResourceWorthAPass(current, previous)).toBe(expected);
  });

  it.each([
    ['another wish for gateway addresses', { 'isthmus.dev/gateway-addresses': 'b:1' }, true],
    ['a wish that is gone', {}, true],
    [
      'another report on the same',
      { 'isthmus.dev/gateway-addresses': 'a:1', 'isthmus.dev/rotation-report': '{}' },
      false,
    ],
  ])('%s on ConfigMap isthmus-cluster', (_what, annotations, expected) => {
    const before = { metadata: { name: 'isthmus-cluster', annotations: { 'isthmus.dev/gateway-addresses': 'a:1' } } };
    expect(isConfigMapWorthAPass({ metadata: { name: 'isthmus-cluster', annotations } }, before)).toBe(expected);
  });

  it('ConfigMap isthmus-gateways when somebody deletes it', () => {
    const kept = { metadata: { name: 'isthmus-gateways' } };
    expect([isConfigMapWorthAPass(undefined, kept), isConfigMapWorthAPass(kept, undefined)]).toEqual([true, false]);
  });

  const one = node('n', { InternalIP: '192.0.2.1' });
  const { addresses } = one.status ?? {};
  const heartbeat = { type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' };
  it.each([
    ['a new node', one, undefined, true],
    ['one that is gone', undefined, one, true],
    ['one that is cordoned', { ...one, spec: { unschedulable: true } }, one, true],
    [
      'one that is no longer ready',
      node(
        'n',
        {},
        { status: { addresses: [...(addresses ?? [])], conditions: [{ type: 'Ready', status: 'Unknown' }] } },
      ),
      one,
      true,
    ],
    ['another address of it', node('n', { InternalIP: '192.0.2.2' }), one, true],
    ['its heartbeat alone', { ...one, status: { ...one.status, conditions: [heartbeat] } }, one, false],
  ])('%s', (_what, current, previous, expected) => {
    expect(isNodeWorthAPass(current, previous)).toBe(expected);
  });

  it('any Secret but what is remembered of a peer', () => {
    const memory = { metadata: { name: 'm', labels: { [labels.peerMemory]: 'true' } } };
    const trust = { metadata: { name: 'isthmus-trust' } };
    expect([isSecretWorthAPass(memory, memory), isSecretWorthAPass(undefined, memory)]).toEqual([false, false]);
    expect([isSecretWorthAPass(trust, undefined), isSecretWorthAPass(undefined, trust)]).toEqual([true, true]);
  });
});
