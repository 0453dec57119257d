/** What a port speaks, in Istio's words; `auto` = nothing declared, the proxy has to sniff. */
export type Protocol =
  'HTTP' | 'HTTP2' | 'GRPC' | 'GRPC-Web' | 'HTTPS' | 'TLS' | 'TCP' | 'Mongo' | 'MySQL' | 'Redis' | 'UDP' | 'auto';

interface DeclaredPort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
  readonly appProtocol?: string;
}

const byWord: Readonly<Record<string, Protocol>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  'grpc-web': 'GRPC-Web',
  https: 'HTTPS',
  tls: 'TLS',
  tcp: 'TCP',
  mongo: 'Mongo',
  mysql: 'MySQL',
  redis: 'Redis',
  udp: 'UDP',
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

/** Ports whose protocols let the server speak first: sniffing would hang them (SMTP, DNS, MySQL, MongoDB). */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** Reads a word such as `http2` or `GRPC`; undefined when it is not one of Istio's protocols. */
export function protocolFromWord(word: string | undefined): Protocol | undefined {
  const key = word?.toLowerCase() ?? '';
  return Object.hasOwn(byWord, key) ? byWord[key] : undefined;
}

/** Istio's port selection: appProtocol, else the name's prefix up to the first dash, else well-known ports, else `auto`. */
export function protocolOfPort(port: DeclaredPort): Protocol {
  if (port.protocol === 'UDP') return 'UDP';
  if (port.appProtocol !== undefined) {
    const declared = protocolFromWord(port.appProtocol);
    if (declared !== undefined) return declared;
  }
  return protocolFromName(port.name) ?? (serverFirstPorts.has(port.port ?? 0) ? 'TCP' : 'auto');
}

/** `grpc-web` and `grpc-web-x` before `grpc-…`: the only word of two parts. */
function protocolFromName(name: string | undefined): Protocol | undefined {
  const lower = name?.toLowerCase() ?? '';
  if (lower === 'grpc-web' || lower.startsWith('grpc-web-')) return 'GRPC-Web';
  return protocolFromWord(lower.split('-')[0]);
}

/** True for protocols whose requests an HTTP filter chain sees. */
export function isHttp(protocol: Protocol): boolean {
  return ['HTTP', 'HTTP2', 'GRPC', 'GRPC-Web'].includes(protocol);
}

/** True for protocols that are HTTP/2 from the first byte. */
export function isHttp2(protocol: Protocol): boolean {
  return ['HTTP2', 'GRPC', 'GRPC-Web'].includes(protocol);
}
