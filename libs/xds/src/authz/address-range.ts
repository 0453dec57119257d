import ipaddr from 'ipaddr.js';
import type { CidrRangeSchema } from '#proto-gen/envoy/config/core/v3/address_pb';
import type { Init } from '../envoy/init.js';

/** `a.b.c.d/n` or a single address as a range; undefined for any other text, with which Envoy would refuse the whole listener. */
export function addressRange(text: string): Init<typeof CidrRangeSchema> | undefined {
  const [address = '', length] = text.split('/');
  const isV6 = ipaddr.IPv6.isValid(address) && !address.includes('%');
  if (!isV6 && !ipaddr.IPv4.isValidFourPartDecimal(address)) return undefined;
  if (length === undefined) return { addressPrefix: address, prefixLen: isV6 ? 128 : 32 };
  return ipaddr.isValidCIDR(text) ? { addressPrefix: address, prefixLen: Number(length) } : undefined;
}
