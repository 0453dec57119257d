import ipaddr from 'ipaddr.js';
import { isFields } from '#model';
import type { GatewayAddress } from '#model';
import type { FaultList } from './fault-list.js';
import { limits } from './limits.js';
import { isHostname, isPort } from './names.js';

/** Usable gateway addresses of `ingressGateways`, in order, without repeats; the others are faults. */
export function gatewaysFrom(list: readonly unknown[], faults: FaultList): readonly GatewayAddress[] {
  const usable = new Map<string, GatewayAddress>();
  for (const [index, item] of list.slice(0, limits.gateways).entries()) {
    const gateway = gatewayFrom(item, `ingressGateways[${index}]`, faults);
    if (gateway !== undefined) usable.set(`${gateway.address} ${gateway.port}`, gateway);
  }
  if (list.length > limits.gateways)
    faults.add(
      'DocumentInvalid',
      'ingressGateways',
      list,
      `only the first ${limits.gateways} gateways are used; the peer must name fewer`,
    );
  return [...usable.values()];
}

function gatewayFrom(item: unknown, field: string, faults: FaultList): GatewayAddress | undefined {
  const { address, port } = isFields(item) ? item : {};
  if (typeof address !== 'string' || !isAddress(address)) {
    faults.add(
      'AddressRefused',
      `${field}.address`,
      address,
      'must be an IP address or a lower-case host name: this gateway is left out; the peer must correct the addresses of its gateway',
    );
    return undefined;
  }
  if (!isPort(port)) {
    faults.add(
      'AddressRefused',
      `${field}.port`,
      port,
      'must be a whole number from 1 to 65535: this gateway is left out; the peer must correct the addresses of its gateway',
    );
    return undefined;
  }
  return { address, port };
}

const digitsAndDots = /^[0-9.]+$/;

/** An IP address in its usual form, or a host name that no resolver can take for a number. */
export function isAddress(text: string): boolean {
  if (text.length > limits.hostnameCharacters) return false;
  if (text.includes(':')) return !text.includes('%') && ipaddr.IPv6.isValid(text);
  if (digitsAndDots.test(text) || /(^|\.)0x[0-9a-f]*$/.test(text)) return ipaddr.IPv4.isValidFourPartDecimal(text);
  return isHostname(text);
}
