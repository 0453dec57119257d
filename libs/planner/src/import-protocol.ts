import { protocolFromWord, protocolOfPort } from '#istio-api';
import type { Protocol } from '#istio-api';

/** Protocols that an imported port can have (product section 5). */
export type ImportProtocol = 'HTTP' | 'HTTP2' | 'TLS' | 'TCP';

const byProtocol: Partial<Readonly<Record<Protocol, ImportProtocol>>> = {
  HTTP: 'HTTP',
  HTTP2: 'HTTP2',
  GRPC: 'HTTP2',
  'GRPC-Web': 'HTTP2',
  HTTPS: 'TLS',
  TLS: 'TLS',
};

/** The declared protocol, else what the port's name says, else TCP: a gateway's port can't be sniffed for us. */
export function importProtocol(name: string, declared: string | undefined): ImportProtocol {
  const protocol = protocolFromWord(declared) ?? protocolOfPort({ name });
  return byProtocol[protocol] ?? 'TCP';
}
