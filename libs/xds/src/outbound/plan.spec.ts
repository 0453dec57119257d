import { describe, expect, it } from '@jest/globals';
import type { MeshService, PortProtocol } from '../mesh-model.js';
import { service } from '../model.fixture.js';
import { outboundPlan } from './plan.js';

const made = (name: string, protocol: PortProtocol, fields: Partial<MeshService> = {}): MeshService =>
  service({ name, ports: [{ name: 'p', number: 80, protocol }], ...fields });

const told = (...services: MeshService[]): readonly string[] =>
  outboundPlan(services, 'ALLOW_ANY').listeners.map(({ address, port, routeName, tlsHosts, tcpHost, detected }) =>
    [
      `${address}_${port}`,
      routeName === undefined ? '' : `route ${routeName}`,
      ...tlsHosts.map((host) => `tls ${host}`),
      tcpHost === undefined ? '' : `tcp ${tcpHost}`,
      detected ? 'detected' : '',
    ]
      .filter((word) => word !== '')
      .join(' '),
  );

describe('outboundPlan', () => {
  it('shares one listener among HTTP services of a port', () => {
    expect(told(made('a', 'HTTP', { addresses: ['10.0.0.1'] }), made('b', 'GRPC'))).toEqual(['0.0.0.0_80 route 80']);
  });
  it('gives TCP a listener per address; an address taken stays with the first', () => {
    const addresses = ['10.0.0.1', 'fd00::1'];
    expect(told(made('a', 'TCP', { addresses }), made('b', 'TCP', { addresses }))).toEqual([
      '10.0.0.1_80 tcp a.demo.svc.cluster.a',
    ]);
  });
  it('detects what is not declared', () => {
    expect(told(made('a', 'auto', { addresses: ['10.0.0.1'] }))).toEqual([
      '10.0.0.1_80 route a.demo.svc.cluster.a:80 tcp a.demo.svc.cluster.a detected',
    ]);
  });
  it('tells HTTP, TLS by name and TCP apart where there is no address', () => {
    expect(told(made('a', 'HTTP'), made('b', 'TLS'), made('c', 'TCP'), made('d', 'TCP'))).toEqual([
      '0.0.0.0_80 route 80 tls b.demo.svc.cluster.a tcp c.demo.svc.cluster.a',
    ]);
  });
  it('leaves UDP and the proxy’s own ports alone', () => {
    const own = service({
      name: 'x',
      ports: [15001, 15006, 15021].map((number) => ({ name: 'p', number, protocol: 'HTTP' as const })),
    });
    expect(told(made('a', 'UDP'), own)).toEqual([]);
  });
});
