import type { PortProtocol } from '../mesh-model.js';

/**
 * ALPN is how a mesh server tells HTTP from TCP. `istio-peer-exchange` is never offered: a stock server would then wait for a
 * metadata header that upstream Envoy does not send.
 */
export const alpn = {
  tcp: ['istio'],
  http1: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
  /** What a server's TLS context negotiates. */
  server: ['h2', 'http/1.1'],
  /** Client offers by which a server chain recognises HTTP inside mutual TLS. */
  meshHttp: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
  /** Client offers by which a server chain recognises raw bytes inside mutual TLS. */
  meshTcp: ['istio-peer-exchange', 'istio'],
  /** Any sign of a mesh client. */
  mesh: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
  /** What http_inspector reports for plain text. */
  plainHttp: ['http/1.1', 'h2c'],
} as const;

/** What a client's cluster offers for a port of this protocol; `auto` offers TCP and is overridden per HTTP stream. */
export function offeredAlpn(protocol: PortProtocol): readonly string[] {
  if (protocol === 'HTTP') return alpn.http1;
  if (protocol === 'HTTP2' || protocol === 'GRPC') return alpn.http2;
  return alpn.tcp;
}
