import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import type { TransportSocket } from '#proto-gen/envoy/config/core/v3/base_pb';
import {
  type UpstreamTlsContext,
  UpstreamTlsContextSchema,
} from '#proto-gen/envoy/extensions/transport_sockets/tls/v3/tls_pb';
import { HttpProtocolOptionsSchema } from '#proto-gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb';
import { decoded } from '../consistency.js';
import type { MeshService, PortProtocol, TrafficPolicy } from '../mesh-model.js';
import { echo, headless, imported, outside, ownDomain, peerDomain } from '../model.fixture.js';
import { outboundClusterFor } from './cluster.js';

function clusterOf(service: MeshService, portNumber: number, policy: TrafficPolicy = {}): Cluster {
  const port = service.ports.find(({ number }) => number === portNumber);
  if (port === undefined) throw new Error(`no port ${portNumber}`);
  return decoded(ClusterSchema, outboundClusterFor({ service, port, policy, trustDomain: ownDomain }));
}

function tlsOf(socket: TransportSocket | undefined): UpstreamTlsContext | undefined {
  return socket?.configType.case === 'typedConfig'
    ? anyUnpack(socket.configType.value, UpstreamTlsContextSchema)
    : undefined;
}

const expectedNames = (context: UpstreamTlsContext | undefined): readonly string[] => {
  const type = context?.commonTlsContext?.validationContextType;
  if (type?.case !== 'combinedValidationContext') return [];
  return (type.value.defaultValidationContext?.matchTypedSubjectAltNames ?? []).map(
    ({ matcher }) => `${matcher?.matchPattern.case} ${String(matcher?.matchPattern.value)}`,
  );
};

describe('outboundClusterFor', () => {
  it('offers mutual TLS to endpoints that speak it and plain text to the others', () => {
    const { transportSocket, transportSocketMatches } = clusterOf(echo, 80);
    expect(transportSocket).toBeUndefined();
    expect(transportSocketMatches.map(({ name, match }) => [name, match])).toEqual([
      ['tlsMode-istio', { tlsMode: 'istio' }],
      ['tlsMode-disabled', {}],
    ]);
    expect(tlsOf(transportSocketMatches[0]?.transportSocket)?.sni).toBe('outbound_.80_._.echo.demo.svc.cluster.a');
  });

  it('never falls back to plain text under ISTIO_MUTUAL', () => {
    const { transportSocket, transportSocketMatches } = clusterOf(imported, 80, { tls: { mode: 'ISTIO_MUTUAL' } });
    expect(transportSocketMatches).toEqual([]);
    expect(expectedNames(tlsOf(transportSocket))).toEqual([`exact spiffe://${peerDomain}/ns/store/sa/shop`]);
  });

  const identities: readonly [string, Partial<MeshService>, string[]][] = [
    ['endpoints name it', {}, [`exact spiffe://${ownDomain}/ns/demo/sa/echo`]],
    ['nothing known yet', { endpoints: [] }, [`prefix spiffe://${ownDomain}/ns/demo/`]],
    ['a legacy peer', { endpoints: [], sanPrefixes: ['spiffe://b/ns/x/'] }, ['prefix spiffe://b/ns/x/']],
  ];
  it.each(identities)('expects an identity always: %s', (_name, fields, expected) => {
    const { transportSocketMatches } = clusterOf({ ...echo, ...fields }, 80);
    expect(expectedNames(tlsOf(transportSocketMatches[0]?.transportSocket))).toEqual(expected);
  });

  const protocols: readonly [number, PortProtocol, string[], string][] = [
    [80, 'HTTP', ['istio-http/1.1', 'istio', 'http/1.1'], 'httpProtocolOptions'],
    [7070, 'GRPC', ['istio-h2', 'istio', 'h2'], 'http2ProtocolOptions'],
    [9000, 'TCP', ['istio'], 'as-downstream'],
    [9999, 'auto', ['istio'], 'as-downstream'],
  ];
  it.each(protocols)('port %d (%s): ALPN and HTTP version', (port, _protocol, alpn, version) => {
    const cluster = clusterOf(echo, port);
    expect(tlsOf(cluster.transportSocketMatches[0]?.transportSocket)?.commonTlsContext?.alpnProtocols).toEqual(alpn);
    const packed = Object.values(cluster.typedExtensionProtocolOptions)[0];
    const options = packed && anyUnpack(packed, HttpProtocolOptionsSchema)?.upstreamProtocolOptions;
    const found = options?.case === 'explicitHttpConfig' ? options.value.protocolConfig.case : 'as-downstream';
    expect(found).toBe(version);
  });

  it('notices a lost gateway by failed connections only, and never gives up on all', () => {
    const { outlierDetection, commonLbConfig } = clusterOf(imported, 80);
    expect(outlierDetection).toMatchObject({
      splitExternalLocalOriginErrors: true,
      consecutiveLocalOriginFailure: 2,
      enforcingConsecutive5xx: 0,
      enforcingConsecutiveGatewayFailure: 0,
    });
    expect(commonLbConfig?.healthyPanicThreshold?.value).toBe(1);
    expect(clusterOf(echo, 80).outlierDetection).toBeUndefined();
  });

  it('looks up what is outside by DNS and speaks plain text to it', () => {
    const cluster = clusterOf(outside, 80);
    expect(cluster.clusterDiscoveryType.value).toBe(Cluster_DiscoveryType.STRICT_DNS);
    expect([cluster.transportSocket, ...cluster.transportSocketMatches]).toEqual([undefined]);
    expect(tlsOf(clusterOf(outside, 443, { tls: { mode: 'SIMPLE' } }).transportSocket)?.sni).toBe('example.org');
  });

  it('goes where the client meant to for headless services, by TLS when all pods speak it', () => {
    expect(clusterOf(headless, 5432).clusterDiscoveryType.value).toBe(Cluster_DiscoveryType.ORIGINAL_DST);
    expect(tlsOf(clusterOf(headless, 5432).transportSocket)).toBeDefined();
    const mixed = headless.endpoints.map((each, index) =>
      index === 0 ? { ...each, tlsMode: 'disabled' as const } : each,
    );
    expect(clusterOf({ ...headless, endpoints: mixed }, 5432).transportSocket).toBeUndefined();
  });

  it('maps outlierDetection of a DestinationRule', () => {
    const { outlierDetection } = clusterOf(echo, 80, {
      outlierDetection: {
        consecutive5xxErrors: 0,
        consecutiveGatewayErrors: 3,
        splitExternalLocalOriginErrors: true,
        consecutiveLocalOriginFailures: 4,
        maxEjectionPercent: 50,
        intervalMs: 1500,
        baseEjectionTimeMs: 1000,
      },
    });
    expect(outlierDetection).toMatchObject({
      enforcingConsecutive5xx: 0,
      consecutiveGatewayFailure: 3,
      enforcingConsecutiveGatewayFailure: 100,
      consecutiveLocalOriginFailure: 4,
      maxEjectionPercent: 50,
    });
    expect(outlierDetection?.interval).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
  });
});
