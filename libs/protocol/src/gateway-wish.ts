import { annotations } from '#model';
import type { GatewayAddress } from '#model';
import { forbiddenAddress } from './addresses.js';
import { isAddress } from './gateways.js';
import { limits } from './limits.js';

/** So many addresses of ours are told at most: old and new ones together fit into a document, of which peers read twice as many. */
export const mostGatewaysTold = limits.gateways / 2;

/** Addresses in one form, sorted, without repeats, or why they cannot be told. */
export type GatewayWish =
  { readonly ok: true; readonly addresses: readonly string[] } | { readonly ok: false; readonly fault: string };

/** `host:port`, an IPv6 address in brackets. @throws Error with what is expected */
export function parseGatewayAddress(text: string): GatewayAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) throw new Error('expected host:port');
  return { address: match[1] ?? match[2] ?? '', port };
}

export function gatewayText({ address, port }: GatewayAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Reads `host:port[,host:port]` as an operator writes it; each fault names field, value and remedy. Pure. */
export function readGatewayWish(text: string, field = `annotation ${annotations.gatewayAddresses}`): GatewayWish {
  const refused = (value: string, why: string): GatewayWish => ({ ok: false, fault: `${field}: "${value}" ${why}` });
  const items = text.split(',').map((item) => item.trim());
  if (items.length > mostGatewaysTold)
    return refused(
      text.slice(0, 100),
      `has more than ${mostGatewaysTold} addresses: peers read ${limits.gateways}, and old and new ones are told together`,
    );
  const addresses = new Set<string>();
  for (const item of items) {
    const why = faultOf(item);
    if (why !== undefined) return refused(item, why);
    addresses.add(gatewayText(parseGatewayAddress(item)));
  }
  return { ok: true, addresses: [...addresses].sort() };
}

function faultOf(item: string): string | undefined {
  const shape = 'is no host:port: give an IP address or a lower-case host name, a colon and a port from 1 to 65535';
  try {
    const { address } = parseGatewayAddress(item);
    if (!isAddress(address)) return shape;
    const isIp = address.includes(':') || /^[0-9.]+$/.test(address);
    const forbidden = isIp ? forbiddenAddress(address, { ownAddresses: [] }) : undefined;
    return forbidden === undefined ? undefined : `${forbidden}: every peer refuses it; give one that peers can reach`;
  } catch {
    return shape;
  }
}
