import { describe, it } from '@jest/globals';
import { anyValue, brokenText, fuzz, fuzzLimitMs } from '#testing';
import type { Dice } from '#testing';
import { isAddress, parseProxyNode } from './proxy-node.js';

const keys = [
  'INSTANCE_IPS',
  'NAMESPACE',
  'CLUSTER_ID',
  'NETWORK',
  'REQUESTED_NETWORK_VIEW',
  'SERVICE_ACCOUNT',
  'LABELS',
  'POD_PORTS',
  'name',
  'containerPort',
  '__proto__',
];
const good = 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.a';
const podPorts = '[{"name":"http","containerPort":8080},{"name":"grpc","containerPort":9090}]';

function metadataFrom(dice: Dice): Record<string, unknown> {
  const any = anyValue(dice, keys, 1);
  const given = typeof any === 'object' && any !== null && !Array.isArray(any) ? any : {};
  return { INSTANCE_IPS: brokenText(dice, '10.0.0.1,fd00::1'), POD_PORTS: brokenText(dice, podPorts), ...given };
}

describe('nodes of proxies', () => {
  it(
    'any id and metadata: a node of texts, addresses and ports, or a fault that stays short',
    () => {
      fuzz((dice) => {
        const id = dice.next(40) === 0 ? `${good}~`.repeat(2_000) : brokenText(dice, good);
        const parsed = parseProxyNode(id, metadataFrom(dice), 'eu/a');
        if (!parsed.ok) {
          if (parsed.fault.length > 500) throw new Error(`a fault of ${parsed.fault.length} characters`);
          return;
        }
        const { value } = parsed;
        if (value.id !== id || !id.startsWith(`${value.type}~`)) throw new Error('another id or type');
        if (value.addresses.length === 0 || !value.addresses.every(isAddress)) throw new Error(String(value.addresses));
        const ports = Object.values(value.namedPorts);
        if (!ports.every((port) => Number.isInteger(port) && port > 0 && port < 65_536)) throw new Error(String(ports));
        const { podName, namespace, dnsDomain, clusterID, network, serviceAccount } = value;
        const texts = [podName, namespace, dnsDomain, clusterID, network, serviceAccount, ...value.requestedNetworks];
        if (![...texts, ...Object.values(value.labels)].every((text) => typeof text === 'string'))
          throw new Error(JSON.stringify(value));
      });
    },
    fuzzLimitMs,
  );
});
