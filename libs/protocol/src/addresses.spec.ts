import { describe, expect, it } from '@jest/globals';
import { forbiddenAddress } from './index.js';

const own = { ownAddresses: ['10.96.0.1', 'fd12::1', '192.168.7.2'] };

describe('addresses that peers name', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.0.3', 'loopback'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['169.254.169.254', 'link-local'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['fd00:ec2::254', 'metadata service'],
    ['10.96.0.1', 'own API server'],
    ['::ffff:10.96.0.1', 'own API server'],
    ['fd12:0::0:1', 'own API server'],
    ['FD12::1', 'own API server'],
    ['127.1', 'not an IP'],
    ['2130706433', 'not an IP'],
    ['0177.0.0.1', 'not an IP'],
    ['0x7f.0.0.1', 'not an IP'],
    ['localhost', 'not an IP'],
    ['', 'not an IP'],
    ['1.2.3.4.5', 'not an IP'],
    [':::', 'not an IP'],
  ])('%s is refused: %s', (ip, why) => {
    expect(forbiddenAddress(ip, own)).toContain(why);
  });

  it.each([
    '10.0.0.1',
    '172.16.5.4',
    '192.168.7.3',
    '203.0.113.9',
    '8.8.8.8',
    '100.64.1.1',
    '2001:db8::5',
    'fd12::2',
    '64:ff9b::808:808',
    '10.10.200.5',
  ])('%s is allowed', (ip) => {
    expect(forbiddenAddress(ip, own)).toBeUndefined();
  });
});
