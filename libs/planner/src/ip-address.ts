const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4 = new RegExp(`^${octet}([.]${octet}){3}$`);

/** True for an IPv4 address, or for text that only an IPv6 address can be (a host name holds no colon). */
export function isIpAddress(text: string): boolean {
  return ipv4.test(text) || text.includes(':');
}
