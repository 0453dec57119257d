import { describe, expect, it } from '@jest/globals';
import { isAddress, parseProxyNode } from './proxy-node.js';

const good = 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.a';

describe('parseProxyNode', () => {
  it('reads id and metadata', () => {
    const parsed = parseProxyNode(
      good,
      {
        INSTANCE_IPS: '10.0.0.1,fd00::1,nonsense',
        NETWORK: 'net-a',
        CLUSTER_ID: 'alpha',
        SERVICE_ACCOUNT: 'web',
        LABELS: { app: 'web', odd: 1 },
        REQUESTED_NETWORK_VIEW: 'net-a, net-b',
        POD_PORTS: '[{"name":"http","containerPort":8080},{"containerPort":1}]',
      },
      'eu/a',
    );
    expect(parsed).toEqual({
      ok: true,
      value: {
        id: good,
        type: 'sidecar',
        addresses: ['10.0.0.1', 'fd00::1'],
        podName: 'web-1',
        locality: 'eu/a',
        namespace: 'shop',
        dnsDomain: 'shop.svc.cluster.a',
        clusterID: 'alpha',
        network: 'net-a',
        requestedNetworks: ['net-a', 'net-b'],
        serviceAccount: 'web',
        labels: { app: 'web' },
        namedPorts: { http: 8080 },
      },
    });
  });

  const faults: readonly [string, string][] = [
    ['', 'wanted <type>'],
    ['sidecar~10.0.0.1~web.shop', 'wanted <type>'],
    ['sidecar~10.0.0.1~web.shop~x~y', 'wanted <type>'],
    ['ztunnel~10.0.0.1~web.shop~x', 'not served here'],
    ['sidecar~host~web.shop~x', 'no valid address'],
  ];
  it.each(faults)('refuses %j', (id, fault) => {
    const parsed = parseProxyNode(id, {});
    expect(parsed.ok ? '' : parsed.fault).toContain(fault);
  });

  it.each(['[', '{}', 7, undefined, '[null, 3]'])('takes POD_PORTS %j for none', (value) => {
    const parsed = parseProxyNode(good, { POD_PORTS: value });
    expect(parsed.ok && parsed.value.namedPorts).toEqual({});
  });
});

describe('isAddress', () => {
  it.each(['1.2.3.4', '255.255.255.255', '::1', 'fd00::1'])('%s', (text) => expect(isAddress(text)).toBe(true));
  it.each(['1.2.3', '1.2.3.4.', '1.2.3.256', '', 'a.b.c.d', '0x7f.1', 'host'])('not %j', (text) =>
    expect(isAddress(text)).toBe(false),
  );
});
