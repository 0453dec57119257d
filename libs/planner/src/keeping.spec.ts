import { describe, expect, it } from '@jest/globals';
import type { StalePolicy } from '#crd';
import { gatewayService, node, pod } from '#testing';
import { gatewayAddresses } from './gateway-addresses.js';
import type { GatewayFacts } from './gateway-addresses.js';
import { removalBrake, removalHoldMs, removalRelease } from './removal-brake.js';
import type { RemovalInput } from './removal-brake.js';
import { effectiveStalePolicy } from './stale-policy.js';
import type { SilenceVerdict } from './stale-policy.js';

const hosts = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${i}`);

describe('removalBrake', () => {
  const brake = (over: Partial<RemovalInput>) =>
    removalBrake({ current: hosts(10), next: [], accepted: false, now: 1000, ...over });

  it.each<[string, Partial<RemovalInput>, 'pass' | 'hold']>([
    ['all of ten', {}, 'hold'],
    ['all of nine', { current: hosts(9) }, 'pass'],
    ['half of ten', { next: hosts(5) }, 'pass'],
    ['more than half of ten', { next: hosts(4) }, 'hold'],
    ['all, replaced by others', { next: hosts(30).slice(10) }, 'hold'],
    ['nothing', { next: hosts(10) }, 'pass'],
    ['all, accepted', { accepted: true }, 'pass'],
    ['all, nine minutes later', { heldSince: 1000, now: 541_000 }, 'hold'],
    ['all, ten minutes later', { heldSince: 1000, now: 1000 + removalHoldMs }, 'pass'],
    ['nothing any more, while held', { heldSince: 1000, next: hosts(10) }, 'pass'],
  ])('removing %s', (_name, over, kind) => expect(brake(over).kind).toBe(kind));

  it('says since when, until when and what', () => {
    expect(brake({ next: hosts(2), now: 5000, heldSince: 1000 })).toEqual({
      kind: 'hold',
      since: 1000,
      until: 601_000,
      removed: hosts(10).slice(2),
    });
  });

  it.each([
    [undefined, 'sha256:1', { accepted: false }],
    ['true', 'sha256:1', { accepted: true, spent: 'true' }],
    ['true', 'sha256:0', { accepted: false, spent: 'true' }],
    ['true', undefined, { accepted: false, spent: 'true' }],
    ['sha256:1', undefined, { accepted: true, spent: 'sha256:1' }],
    ['sha256:2', 'sha256:1', { accepted: false }],
  ])('annotation %s, with %s held, releases document sha256:1 alone: %j', (value, held, expected) => {
    const given = value === undefined ? {} : { 'isthmus.dev/accept-removal': value };
    expect(removalRelease(given, 'sha256:1', held)).toEqual(expected);
  });
});

describe('effectiveStalePolicy', () => {
  const drain: StalePolicy = { mode: 'DrainAfter', after: '10m' };
  const minute = 60_000;

  it.each<[string, StalePolicy | undefined, number, SilenceVerdict]>([
    ['no policy', undefined, 1e9, { withdrawnHosts: [], trustWithdrawn: false }],
    ['Keep', { mode: 'Keep' }, 1e9, { withdrawnHosts: [], trustWithdrawn: false }],
    ['drain, not silent', drain, 0, { withdrawnHosts: [], trustWithdrawn: false, changesInMs: 10 * minute }],
    ['drain, too early', drain, 9 * minute, { withdrawnHosts: [], trustWithdrawn: false, changesInMs: minute }],
    ['drain, due', drain, 10 * minute, { withdrawnHosts: ['a.x', 'b.x'], trustWithdrawn: false }],
    [
      'fail closed, default time',
      { mode: 'FailClosed' },
      minute,
      { withdrawnHosts: ['a.x', 'b.x'], trustWithdrawn: true },
    ],
    [
      'fail closed, too early',
      { mode: 'FailClosed', after: '5m' },
      minute,
      { withdrawnHosts: [], trustWithdrawn: false, changesInMs: 4 * minute },
    ],
    [
      'fail closed at once',
      { mode: 'FailClosed', after: '0s' },
      1,
      { withdrawnHosts: ['a.x', 'b.x'], trustWithdrawn: true },
    ],
    ['at once, but it answers', { mode: 'FailClosed', after: '0s' }, 0, { withdrawnHosts: [], trustWithdrawn: false }],
    [
      'override keeps one',
      { ...drain, overrides: [{ hosts: ['a.x'], mode: 'Keep' }] },
      10 * minute,
      { withdrawnHosts: ['b.x'], trustWithdrawn: false },
    ],
    [
      'override drains one',
      { mode: 'Keep', overrides: [{ hosts: ['*.x'], mode: 'DrainAfter', after: '1m' }] },
      minute,
      { withdrawnHosts: ['a.x', 'b.x'], trustWithdrawn: false },
    ],
    [
      'first override counts',
      {
        mode: 'Keep',
        overrides: [
          { hosts: ['a.x'], mode: 'Keep' },
          { hosts: ['*.x'], mode: 'FailClosed' },
        ],
      },
      minute,
      { withdrawnHosts: ['b.x'], trustWithdrawn: false },
    ],
  ])('%s', (_name, policy, silentMs, expected) => {
    expect(effectiveStalePolicy({ policy, silentMs, hosts: ['b.x', 'a.x'] })).toEqual(expected);
  });
});

describe('gatewayAddresses', () => {
  const run = (over: Partial<GatewayFacts>) => gatewayAddresses({ nodes: [], pods: [], override: [], ...over });
  const balanced = (...ingress: object[]) => gatewayService('LoadBalancer', { status: { loadBalancer: { ingress } } });

  it.each<[string, Partial<GatewayFacts>, readonly string[]]>([
    [
      'all addresses of a load balancer',
      {
        service: balanced(
          { ip: '192.0.2.2' },
          { ip: '192.0.2.1' },
          { hostname: 'lb.example.org' },
          { ip: '192.0.2.1' },
        ),
      },
      ['192.0.2.1:15443', '192.0.2.2:15443', 'lb.example.org:15443'],
    ],
    ['a static override', { service: balanced({ ip: '192.0.2.2' }), override: [{ address: 'x', port: 1 }] }, ['x:1']],
    ['no address yet', { service: balanced() }, []],
    ['a Service that stays inside', { service: gatewayService('ClusterIP') }, []],
    [
      'external IPs',
      { service: gatewayService('ClusterIP', { spec: { externalIPs: ['192.0.2.7'], ports: [{ port: 15_443 }] } }) },
      ['192.0.2.7:15443'],
    ],
    ['no Service', {}, []],
    [
      'no port for it',
      { service: gatewayService('LoadBalancer', { spec: { type: 'LoadBalancer', ports: [{ name: 'x', port: 1 }] } }) },
      [],
    ],
  ])('%s', (_name, facts, expected) => {
    const { addresses, findings } = run(facts);
    expect(addresses.map(({ address, port }) => `${address}:${port}`)).toEqual(expected);
    expect(findings.map(({ reason }) => reason)).toEqual(expected.length === 0 ? ['NoGateways'] : []);
  });

  it('takes the nodes that can answer, by their outer address if they have one', () => {
    const notReady = {
      status: {
        conditions: [{ type: 'Ready', status: 'False' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.4' }],
      },
    };
    const nodes = [
      node('n1', { InternalIP: '10.0.0.1', ExternalIP: '203.0.113.1' }),
      node('n2', { InternalIP: '10.0.0.2' }),
      node('n3', { InternalIP: '10.0.0.3' }, { spec: { unschedulable: true } }),
      node('n4', {}, notReady),
      node('n5', { InternalIP: '10.0.0.5' }),
      node('n6', { InternalIP: '10.0.0.6' }),
    ];
    const on = (nodeName: string, ready = 'True') =>
      pod({ spec: { nodeName, containers: [] }, status: { conditions: [{ type: 'Ready', status: ready }] } });
    const pods = [on('n1'), on('n2'), on('n2'), on('n3'), on('n4'), on('n5', 'False')];
    expect(run({ service: gatewayService('NodePort'), nodes, pods }).addresses).toEqual([
      { address: '10.0.0.2', port: 31_443 },
      { address: '203.0.113.1', port: 31_443 },
    ]);
  });
});
