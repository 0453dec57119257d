import { describe, expect, it } from '@jest/globals';
import { peerOffer } from '#testing';
import { importProtocol } from './import-protocol.js';
import { mergeServices } from './merge-services.js';
import type { PeerOffer } from './merge-services.js';

const older = peerOffer({ name: 'b' });
const younger = (over: Partial<PeerOffer> = {}): PeerOffer =>
  peerOffer({ name: 'c', createdAt: '2026-02-01T00:00:00Z', gateways: [{ address: '192.0.2.9', port: 443 }], ...over });
const hostname = 'echo.demo.svc.b.example';
const withPorts = (...ports: { name: string; port: number; protocol?: string }[]) => [{ hostname, ports }];

describe('mergeServices', () => {
  it('unites the gateways of all peers that offer a name', () => {
    const { services, findings } = mergeServices([younger(), older]);
    expect(services).toEqual([
      {
        hostname,
        ports: [{ name: 'http', port: 80, protocol: 'HTTP' }],
        endpoints: [
          {
            peer: { kind: 'IstioFederation', name: 'b' },
            trustDomain: 'b.example',
            gateway: { address: '192.0.2.1', port: 15_443 },
          },
          {
            peer: { kind: 'IstioFederation', name: 'c' },
            trustDomain: 'c.example',
            gateway: { address: '192.0.2.9', port: 443 },
          },
        ],
        subjectAltNames: ['spiffe://b.example/ns/demo/sa/echo', 'spiffe://c.example/ns/demo/sa/echo'],
        sanPrefixes: [],
        exportTo: ['*'],
        peers: [
          { kind: 'IstioFederation', name: 'b' },
          { kind: 'IstioFederation', name: 'c' },
        ],
      },
    ]);
    expect(findings).toEqual([]);
  });

  it.each<[string, ReturnType<typeof withPorts>, readonly string[], string | undefined]>([
    ['the same ports', withPorts({ name: 'http', port: 80 }), ['b', 'c'], undefined],
    ['another number', withPorts({ name: 'http', port: 8080 }), ['b'], 'PortConflict'],
    ['another protocol', withPorts({ name: 'http', port: 80, protocol: 'TCP' }), ['b'], 'PortConflict'],
    ['another name', withPorts({ name: 'http-web', port: 80 }), ['b'], 'PortConflict'],
    ['one port more', withPorts({ name: 'http', port: 80 }, { name: 'grpc', port: 81 }), ['b', 'c'], 'PortConflict'],
  ])('lets the older resource declare the ports: the younger has %s', (_name, services, peers, reason) => {
    const merged = mergeServices([older, younger({ services })]);
    expect(merged.services[0]?.ports).toEqual([{ name: 'http', port: 80, protocol: 'HTTP' }]);
    expect(merged.services[0]?.peers.map(({ name }) => name)).toEqual(peers);
    expect(merged.findings.map((finding) => finding.reason)).toEqual(reason === undefined ? [] : [reason]);
    expect(merged.findings.every(({ peer }) => peer.name === 'c')).toBe(true);
  });

  it('decides by name between resources of one age', () => {
    const services = withPorts({ name: 'tcp', port: 9 });
    const twin = younger({ createdAt: older.createdAt, services });
    expect(mergeServices([twin, older]).services[0]?.peers[0]?.name).toBe('b');
  });

  it('goes by namespace prefix where one peer names no identities', () => {
    const legacy = younger({ services: withPorts({ name: 'http', port: 80 }) });
    expect(mergeServices([older, legacy]).services[0]).toMatchObject({
      subjectAltNames: [],
      sanPrefixes: ['spiffe://b.example/ns/demo/', 'spiffe://c.example/ns/demo/'],
    });
  });

  it('withdraws endpoints of a silent peer and keeps the name', () => {
    const [service] = mergeServices([older, younger({ withdrawnHosts: [hostname] })]).services;
    expect([service?.endpoints.length, service?.peers.length]).toEqual([1, 2]);
    expect(mergeServices([{ ...older, withdrawnHosts: [hostname] }]).services[0]?.endpoints).toEqual([]);
  });

  it('names a gateway once that two peers share, and none where there are none', () => {
    expect(mergeServices([older, younger({ gateways: older.gateways })]).services[0]?.endpoints).toHaveLength(1);
    expect(mergeServices([{ ...older, gateways: [] }]).services[0]?.endpoints).toEqual([]);
    expect(mergeServices([])).toEqual({ services: [], findings: [] });
  });

  it.each<[readonly string[] | undefined, readonly string[] | undefined, readonly string[]]>([
    [undefined, ['shop'], ['*']],
    [['shop'], ['demo', 'shop'], ['demo', 'shop']],
    [['*', 'shop'], ['demo'], ['*']],
    [[], [], ['*']],
  ])('is visible where %j and %j say: %j', (first, second, expected) => {
    const { services } = mergeServices([{ ...older, exportTo: first }, younger({ exportTo: second })]);
    expect(services[0]?.exportTo).toEqual(expected);
  });
});

describe('importProtocol', () => {
  it.each([
    ['https', undefined, 'TLS'],
    ['tls-x', undefined, 'TLS'],
    ['http', undefined, 'HTTP'],
    ['http2', undefined, 'HTTP2'],
    ['grpc', undefined, 'HTTP2'],
    ['grpc-web', undefined, 'HTTP2'],
    ['tcp', undefined, 'TCP'],
    ['main', undefined, 'TCP'],
    ['main', 'GRPC', 'HTTP2'],
    ['http', 'TCP', 'TCP'],
    ['http', 'nonsense', 'HTTP'],
  ])('port %s declared %s is %s', (name, declared, expected) => {
    expect(importProtocol(name, declared)).toBe(expected);
  });
});
