import { describe, it } from '@jest/globals';
import type { DestinationRule as DestinationRuleObject } from '#istio-api';
import { annotations } from '#model';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs } from '#testing';
import type { MeshCluster } from '#xds';
import { destinationRuleFrom, failoverLabelsOf } from './destination-rules.js';

const failover = [{ from: 'eu', to: 'us' }];
const open = {
  loadBalancer: {
    simple: 'RANDOM',
    localityLbSetting: {
      enabled: true,
      distribute: [{ from: 'eu/*', to: { 'eu/*': 80, 'us/*': 20 } }],
      failover,
      failoverPriority: ['a=b'],
    },
  },
  connectionPool: {
    tcp: { maxConnections: 1, connectTimeout: '10s' },
    http: { http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRequestsPerConnection: 3, h2UpgradePolicy: 'UPGRADE' },
  },
};
const names = [
  'localityLbSetting',
  'distribute',
  'failover',
  'failoverPriority',
  'from',
  'to',
  'tcp',
  'http',
  'enabled',
  '__proto__',
];
const numbers = [
  'connectTimeoutMs',
  'maxConnections',
  'http1MaxPendingRequests',
  'http2MaxRequests',
  'maxRequestsPerConnection',
] as const;

describe('DestinationRules', () => {
  it(
    'any annotation and any members that their schema leaves open: a rule of texts, numbers and pairs of regions; what is none of them is passed over',
    () =>
      fuzzBothWays((dice) => {
        const given = {
          loadBalancer: brokenValue(dice, open.loadBalancer, names),
          connectionPool: brokenValue(dice, open.connectionPool, names),
        };
        const text = JSON.stringify(dice.next(2) === 0 ? failover : brokenValue(dice, failover, names));
        const rule = destinationRuleFrom(
          {
            metadata: { name: 'r', namespace: 'demo', annotations: { [annotations.failover]: brokenText(dice, text) } },
            spec: { host: 'echo', trafficPolicy: dice.next(4) === 0 ? open : given },
          } as DestinationRuleObject,
          { clusterDomain: 'cluster.local' } as MeshCluster,
        );
        if (rule === undefined) throw new Error('a rule for all workloads says something');
        const { locality = {}, ...policy } = rule.trafficPolicy;
        const regions = [...(locality.failover ?? []), ...(locality.distributeFailover ?? [])];
        const words = regions.flatMap(({ from, to }) => [from, to]);
        if (![...words, ...failoverLabelsOf([rule])].every((word) => typeof word === 'string')) throw new Error(text);
        for (const { from, to } of locality.distribute ?? [])
          if (typeof from !== 'string' || !Object.values(to).every(Number.isFinite))
            throw new Error(JSON.stringify(given));
        if (!numbers.every((name) => policy[name] === undefined || Number.isFinite(policy[name])))
          throw new Error(JSON.stringify(policy));
        return regions.length === 2;
      }),
    fuzzLimitMs,
  );
});
