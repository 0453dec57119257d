import { BlockList, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { sourceKey } from '../auth/token-bucket.js';

/** Longest that a connection may take to become TLS, milliseconds: before it nobody knows who is there. */
export const handshakeMs = 10_000;

/** Connections that one server takes, from all sources together. */
export const mostConnections = 5_000;

export interface ConnectionBound {
  readonly perSource: number;
  /** Addresses or CIDRs of proxies, behind which many callers are one source. */
  readonly trustedProxies: readonly string[];
  readonly onRefused: () => void;
}

/** What Node's TLS servers have in common. */
interface BoundServer {
  maxConnections: number;
  on(event: 'connection', listener: (socket: Socket) => void): unknown;
}

/** No source holds all connections that a server takes: those beyond its share are closed before they cost anything. */
export function boundConnections(server: BoundServer, { perSource, trustedProxies, onRefused }: ConnectionBound): void {
  const held = new Map<string, number>();
  const proxies = blockListOf(trustedProxies);
  server.maxConnections = mostConnections;
  server.on('connection', (socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress !== undefined && proxies.check(remoteAddress, isIP(remoteAddress) === 6 ? 'ipv6' : 'ipv4'))
      return;
    const source = sourceKey(remoteAddress);
    const count = (held.get(source) ?? 0) + 1;
    if (count > perSource) {
      onRefused();
      socket.destroy();
      return;
    }
    held.set(source, count);
    socket.once('close', () => {
      const left = (held.get(source) ?? 1) - 1;
      if (left === 0) held.delete(source);
      else held.set(source, left);
    });
  });
}

function blockListOf(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    const family = isIP(address);
    if (family === 0) continue;
    const kind = family === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, kind);
    else list.addSubnet(address, Number(bits), kind);
  }
  return list;
}
