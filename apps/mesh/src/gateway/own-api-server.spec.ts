import { describe, expect, it } from '@jest/globals';
import { ownApiServer } from './own-api-server.js';

describe('ownApiServer', () => {
  it('knows the API server by every address it has', () => {
    const metadata = { namespace: 'default', name: 'kubernetes' };
    const services = [
      { metadata, spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', 'fd00::1'] } },
      { metadata: { namespace: 'demo', name: 'kubernetes' }, spec: { clusterIP: '10.96.0.9' } },
    ];
    const endpointSlices = [{ metadata, addressType: 'IPv4' as const, endpoints: [{ addresses: ['192.0.2.7'] }] }];
    expect(ownApiServer('https://[2001:db8::1]:6443', { services, endpointSlices })).toEqual([
      '2001:db8::1',
      '10.96.0.1',
      'fd00::1',
      '192.0.2.7',
    ]);
  });
  it('makes do with what it is called by', () => {
    expect(ownApiServer('https://10.96.0.1', { services: [], endpointSlices: [] })).toEqual(['10.96.0.1']);
  });
});
