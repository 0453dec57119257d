import { describe, expect, it } from '@jest/globals';
import type { LocalityPolicy, MeshEndpoint } from '../mesh-model.js';
import { endpoint } from '../model.fixture.js';
import { localityMatches, type LocalityView, placementOf, shareOf } from './locality.js';
import { placedEndpoints } from './placed-endpoints.js';

const outlierDetection = { consecutive5xxErrors: 1 };
const here: LocalityView = { locality: 'eu/a/r1', network: 'net-a', clusterID: 'own', labels: { version: 'v1' } };

let last = 0;
function at(locality: string, more: Partial<MeshEndpoint> = {}): MeshEndpoint {
  last += 1;
  return endpoint({ address: `10.0.${last >> 8}.${last & 255}`, port: 1, servicePort: 80, locality, ...more });
}

interface Case {
  readonly view?: Partial<LocalityView>;
  readonly policy?: LocalityPolicy;
  readonly endpoints: readonly MeshEndpoint[];
  /** The service is in other clusters too, and no DestinationRule speaks of it. */
  readonly remote?: true;
}

/** One text a group: `<priority> <locality or cluster>=<weight>`. */
function told({ view = {}, policy, endpoints, remote }: Case): readonly string[] {
  const service = remote === undefined ? {} : { remoteClusters: ['west'] };
  const rules = remote === undefined ? { outlierDetection } : {};
  const placement = placementOf(service, { ...rules, ...(policy === undefined ? {} : { locality: policy }) });
  const groups = placedEndpoints(
    endpoints,
    placement === undefined ? undefined : { placement, view: { ...here, ...view } },
  );
  return groups.map(({ priority, locality, weight, endpoints: [first] }) => {
    const where = locality === '' ? (first?.cluster ?? '-') : locality;
    return `${priority} ${where}=${weight}`;
  });
}

describe('placementOf', () => {
  const rules: readonly [string, Parameters<typeof placementOf>, object | undefined][] = [
    ['nothing said', [{}, {}], undefined],
    ['outlier detection', [{}, { outlierDetection }], { failover: [] }],
    ['also in other clusters', [{ remoteClusters: ['west'] }, {}], { failover: [] }],
    ['switched off', [{ remoteClusters: ['west'] }, { outlierDetection, locality: { enabled: false } }], undefined],
    ['settings alone do not fail over', [{}, { locality: { failover: [{ from: 'eu', to: 'us' }] } }], undefined],
    [
      'distribute needs no outlier detection',
      [{}, { locality: { distribute: [{ from: '*', to: { '*': 100 } }] } }],
      { distribute: [{ from: '*', to: { '*': 100 } }] },
    ],
  ];
  it.each(rules)('%s', (_title, [service, policy], expected) => {
    expect(placementOf(service, policy)).toEqual(expected);
  });
});

describe('localityMatches', () => {
  it.each([
    ['*', 'eu/a/r1', true],
    ['eu', 'eu/a/r1', true],
    ['eu/*', 'eu/a/r1', true],
    ['eu/a/*', 'eu/a', true],
    ['eu/a/r1', 'eu/a/r1', true],
    ['eu/b/*', 'eu/a/r1', false],
    ['us/*', 'eu/a/r1', false],
    ['eu/*', '', false],
    ['*', '', true],
  ])('%s, %s: %s', (pattern, locality, expected) => {
    expect(localityMatches(pattern, locality)).toBe(expected);
  });

  it('counts the most exact pattern', () => {
    const entry = { from: '*', to: { '*': 1, 'eu/*': 2, 'eu/a/*': 3, 'us/*': 0 } };
    expect([shareOf(entry, 'eu/a/r1'), shareOf(entry, 'eu/b'), shareOf(entry, 'us')]).toEqual([
      { pattern: 'eu/a/*', percent: 3 },
      { pattern: 'eu/*', percent: 2 },
      { pattern: '*', percent: 1 },
    ]);
  });
});

describe('placedEndpoints', () => {
  const everywhere = [at('eu/a/r1'), at('eu/a/r2'), at('eu/b'), at('us/a'), at('ap/a')];

  const cases: readonly [string, Case, readonly string[]][] = [
    ['nearest first', { endpoints: everywhere }, ['0 eu/a/r1=1', '1 eu/a/r2=1', '2 eu/b=1', '3 ap/a=1', '3 us/a=1']],
    ['no gaps', { endpoints: [at('us/a'), at('eu/b')] }, ['0 eu/b=1', '1 us/a=1']],
    [
      'a region that takes over',
      { endpoints: everywhere, policy: { failover: [{ from: 'eu', to: 'us' }] } },
      ['0 eu/a/r1=1', '1 eu/a/r2=1', '2 eu/b=1', '3 us/a=1', '4 ap/a=1'],
    ],
    [
      'regions that take over in order',
      {
        endpoints: [at('eu/a/r1'), at('us/a'), at('ap/a'), at('sa/a')],
        policy: {
          failover: [
            { from: 'eu', to: 'ap' },
            { from: 'us', to: 'eu' },
            { from: 'eu', to: 'us' },
          ],
        },
      },
      ['0 eu/a/r1=1', '1 ap/a=1', '2 us/a=1', '3 sa/a=1'],
    ],
    [
      'unknown places: the own cluster first',
      { endpoints: [at(''), at('', { cluster: 'west' })], view: { locality: '' }, remote: true },
      ['0 -=1', '1 west=1'],
    ],
    [
      'a near pod of another cluster before a far one of ours',
      { endpoints: [at('us/a'), at('eu/a/r1', { cluster: 'west' })], remote: true },
      ['0 eu/a/r1=1', '1 us/a=1'],
    ],
    [
      'clusters in one zone share',
      { endpoints: [at('eu/a/r1'), at('eu/a/r1', { cluster: 'west' })], remote: true },
      ['0 eu/a/r1=2'],
    ],
    [
      'labels',
      {
        endpoints: [
          at('eu/a', { labels: { version: 'v1' } }),
          at('eu/a', { labels: { version: 'v2' } }),
          at('eu/b', { network: 'net-b', labels: { version: 'v1' } }),
        ],
        policy: { failoverPriority: ['topology.istio.io/network', 'version'] },
      },
      ['0 eu/a=1', '1 eu/a=1', '2 eu/b=1'],
    ],
    [
      'a label with a value of its own, then the cluster',
      {
        endpoints: [
          at('', { labels: { version: 'v2' } }),
          at('', { cluster: 'west', labels: { version: 'v2' } }),
          at(''),
        ],
        policy: { failoverPriority: ['version=v2', 'topology.istio.io/cluster'] },
      },
      ['0 -=1', '1 west=1', '2 -=1'],
    ],
  ];
  it.each(cases)('%s', (_title, input, expected) => {
    expect(told(input)).toEqual(expected);
  });

  const distribute = [
    { from: 'eu/*', to: { 'eu/a/*': 80, 'eu/b/*': 20 } },
    { from: 'us/*', to: { 'us/a/*': 70, 'us/b/*': 30 } },
  ];
  const spread = [at('eu/a/r1'), at('eu/a/r2'), at('eu/b'), at('us/a'), at('us/b'), at('us/c'), at('ap/a')];

  it('weighs by distribute, and leaves out what it does not name', () => {
    expect(told({ endpoints: spread, policy: { distribute } })).toEqual(['0 eu/a/r1=40', '0 eu/a/r2=40', '0 eu/b=20']);
  });

  it('keeps the others as fallbacks beside it, loaded as their own clients load them', () => {
    const distributeFailover = [{ from: 'eu', to: 'us' }];
    const expected = ['0 eu/a/r1=40', '0 eu/a/r2=40', '0 eu/b=20', '1 us/a=70', '1 us/b=30', '1 us/c=1', '2 ap/a=1'];
    expect(told({ endpoints: spread, policy: { distribute, distributeFailover } })).toEqual(expected);
    const gone = spread.filter(({ locality }) => !locality.startsWith('eu'));
    expect(told({ endpoints: gone, policy: { distribute, distributeFailover } })).toEqual([
      '0 us/a=70',
      '0 us/b=30',
      '0 us/c=1',
      '1 ap/a=1',
    ]);
  });

  it('leaves a proxy alone for which no entry is', () => {
    const policy = { distribute: [{ from: 'ap/*', to: { 'ap/*': 100 } }] };
    expect(told({ endpoints: [at('eu/a'), at('us/a')], policy })).toEqual(['0 eu/a=1', '0 us/a=1']);
  });

  it('tells an address once, in its nearest place: Envoy takes no second one', () => {
    const gateway = (locality: string, weight: number): MeshEndpoint => ({
      ...at(locality, { weight }),
      address: '192.0.2.1',
    });
    expect(told({ endpoints: [gateway('us/a', 3), gateway('eu/b', 1), at('us/a')] })).toEqual(['0 eu/b=4', '1 us/a=1']);
  });
});
