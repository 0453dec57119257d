import { describe, expect, it } from '@jest/globals';
import { listenAddress, loadConfig } from './config.js';

describe('listen address', () => {
  it.each([
    ['127.0.0.1:15012', { host: '127.0.0.1', port: 15_012 }],
    [':0', { host: '0.0.0.0', port: 0 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:15010', { host: 'localhost', port: 15_010 }],
  ])('%s', (text, address) => expect(listenAddress(text)).toEqual(address));

  it.each(['15012', '127.0.0.1', 'a:b', '1.2.3.4:70000', '::1:80', ''])('refuses %j', (text) =>
    expect(() => listenAddress(text)).toThrow('expected host:port'),
  );
});

describe('configuration', () => {
  it('has defaults for everything', () => {
    expect(loadConfig([], {})).toMatchObject({
      kubeconfig: undefined,
      clusterID: undefined,
      xdsAddress: { host: '0.0.0.0', port: 15_012 },
      xdsPlaintextAddress: undefined,
      trustDomain: 'cluster.local',
      rootNamespace: 'istio-system',
      maxStreamsPerSecond: 0,
      debounce: { quietMs: 10, maxMs: 100 },
      checkOnly: false,
    });
  });

  it('takes flags before the environment', () => {
    const argv = ['--xds-address', '127.0.0.1:0', '--trust-domain=east.example', '--ca-out', '/tmp/ca', '--check'];
    const config = loadConfig(argv, { ISTHMUS_TRUST_DOMAIN: 'west.example', ISTHMUS_CLUSTER_DOMAIN: 'west.example' });
    expect(config).toMatchObject({
      xdsAddress: { host: '127.0.0.1', port: 0 },
      trustDomain: 'east.example',
      clusterDomain: 'west.example',
      caOut: '/tmp/ca',
      checkOnly: true,
    });
  });

  it('uses the cluster domain as trust domain when none is named', () => {
    expect(loadConfig([], { ISTHMUS_CLUSTER_DOMAIN: 'east.example' }).trustDomain).toBe('east.example');
  });

  it('names every fault at once', () => {
    const environment = { ISTHMUS_XDS_ADDRESS: 'here', ISTHMUS_MAX_STREAMS_PER_SECOND: '-1', LOG_LEVEL: 'loud' };
    expect(() => loadConfig([], environment)).toThrow(
      /ISTHMUS_XDS_ADDRESS="here"[\s\S]*ISTHMUS_MAX_STREAMS_PER_SECOND="-1"[\s\S]*LOG_LEVEL="loud"/,
    );
    expect(() => loadConfig([], { ISTHMUS_DEBOUNCE_QUIET_MS: '200' })).toThrow('more than ISTHMUS_DEBOUNCE_MAX_MS');
  });
});
