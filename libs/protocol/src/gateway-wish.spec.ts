import { describe, expect, it } from '@jest/globals';
import { readGatewayWish } from './gateway-wish.js';

describe('addresses of gateways as an operator writes them', () => {
  it('are read in any order, with spaces, each once', () => {
    expect(readGatewayWish('b.example:15443, 192.0.2.1:443,[2001:db8::1]:1,b.example:15443')).toEqual({
      ok: true,
      addresses: ['192.0.2.1:443', '[2001:db8::1]:1', 'b.example:15443'],
    });
  });

  it.each([
    ['192.0.2.1', /"192\.0\.2\.1" is no host:port: give/],
    ['192.0.2.1:0', /is no host:port/],
    ['192.0.2.1:65536', /is no host:port/],
    ['192.0.2:443', /is no host:port/],
    ['Gateway.example:443', /lower-case host name/],
    ['a.example:443,,b.example:443', /"" is no host:port/],
    ['', /"" is no host:port/],
    ['127.0.0.1:443', /"127\.0\.0\.1:443" is a loopback address.*every peer refuses it/],
    ['[fe80::1]:443', /link-local/],
    [Array.from({ length: 33 }, (_x, at) => `g${at}.example:1`).join(','), /more than 32 addresses/],
  ])('%j is refused by field and value, with what to do', (text, fault) => {
    const read = readGatewayWish(text, '--to');
    expect(read).toEqual({ ok: false, fault: expect.stringMatching(fault) });
    expect(read.ok ? '' : read.fault).toMatch(/^--to: "/);
  });
});
