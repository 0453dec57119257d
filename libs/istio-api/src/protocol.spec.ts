import { describe, expect, it } from '@jest/globals';
import { isHttp, isHttp2, protocolFromWord, protocolOfPort } from './protocol.js';

describe('protocolOfPort', () => {
  it.each([
    [{ name: 'http', port: 80 }, 'HTTP'],
    [{ name: 'http-web', port: 80 }, 'HTTP'],
    [{ name: 'HTTP2-x', port: 80 }, 'HTTP2'],
    [{ name: 'grpc', port: 80 }, 'GRPC'],
    [{ name: 'grpc-api', port: 80 }, 'GRPC'],
    [{ name: 'grpc-web', port: 80 }, 'GRPC-Web'],
    [{ name: 'grpc-web-a', port: 80 }, 'GRPC-Web'],
    [{ name: 'https', port: 443 }, 'HTTPS'],
    [{ name: 'tls-x', port: 443 }, 'TLS'],
    [{ name: 'tcp', port: 9000 }, 'TCP'],
    [{ name: 'whatever', port: 9000 }, 'auto'],
    [{ port: 3306 }, 'TCP'],
    [{ port: 80 }, 'auto'],
    [{ name: 'http', port: 53, protocol: 'UDP' }, 'UDP'],
    [{ name: 'tcp', port: 80, appProtocol: 'http' }, 'HTTP'],
    [{ name: 'x', port: 80, appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
    [{ name: 'http', port: 80, appProtocol: 'example.com/own' }, 'HTTP'],
    [{ name: 'constructor', port: 80 }, 'auto'],
  ])('%j is %s', (port, expected) => {
    expect(protocolOfPort(port)).toBe(expected);
  });

  it('tells the families apart', () => {
    expect([isHttp('HTTP'), isHttp('TCP'), isHttp2('GRPC'), isHttp2('HTTP')]).toEqual([true, false, true, false]);
    expect(protocolFromWord('nonsense')).toBeUndefined();
  });
});
