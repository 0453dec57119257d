import ipaddr from 'ipaddr.js';

export interface OwnAddresses {
  /** IP addresses of our own API server, as its Service and its endpoints name them. */
  readonly ownAddresses: readonly string[];
}

/** Ranges of ipaddr.js that no address a peer names may lie in. Private and documentation ranges are ordinary networks to us. */
const refusedRanges: Readonly<Record<string, string>> = {
  unspecified: 'is the unspecified address',
  loopback: 'is a loopback address: it would lead back to us',
  linkLocal: 'is link-local: node-local services answer there',
  multicast: 'is a multicast address',
  broadcast: 'is the broadcast address',
};

/** Metadata services of clouds outside the link-local ranges. */
const refusedAddresses: ReadonlyMap<string, string> = new Map([
  ['fd00:ec2::254', 'is the metadata service of a cloud'],
  ['100.100.100.200', 'is the metadata service of a cloud'],
]);

/**
 * Why an IP address that a peer named, or that its name resolved to, is refused (trust rule 15); undefined = it may be used. IPv4 inside
 * IPv6 (mapped, compatible, NAT64) is judged as what it carries.
 */
export function forbiddenAddress(ip: string, own: OwnAddresses): string | undefined {
  const address = parseAddress(ip);
  if (address === undefined) return 'is not an IP address';
  const text = address.toString();
  if (address.kind() === 'ipv4' && (address.toByteArray()[0] ?? 0) === 0) return refusedRanges['unspecified'];
  const range = refusedRanges[address.range()] ?? refusedAddresses.get(text);
  if (range !== undefined) return range;
  const ours = own.ownAddresses.some((candidate) => parseAddress(candidate)?.toString() === text);
  return ours ? "is an address of this cluster's own API server" : undefined;
}

function parseAddress(ip: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = ip.replace(/^\[(.*)\]$/, '$1');
  // Only the four-part form of IPv4: resolvers read 0177.1 and 2130706433 as loopback, a host name never looks like that.
  if (!bare.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(bare)) return undefined;
  if (!ipaddr.isValid(bare)) return undefined;
  const address = ipaddr.parse(bare);
  return address.kind() === 'ipv6' ? carried(address as ipaddr.IPv6) : address;
}

/** The IPv4 address that an IPv6 address stands for, else the address itself. */
function carried(address: ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  const bytes = address.toByteArray();
  const head = bytes.slice(0, 12);
  const zeros = head.every((byte) => byte === 0);
  const low = bytes.slice(12);
  const compatible = zeros && !(low[0] === 0 && low[1] === 0 && low[2] === 0);
  if (address.isIPv4MappedAddress() || address.range() === 'rfc6052' || compatible) return new ipaddr.IPv4(low);
  return address;
}
