import { networkInterfaces } from 'node:os';
import { forbiddenAddress } from '#protocol';

/** An address of this machine that the product takes as a peer's: not loopback, not link-local. */
export function machineAddress(): string {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const usable = own.find(
    ({ family, address }) => family === 'IPv4' && forbiddenAddress(address, { ownAddresses: [] }) === undefined,
  );
  if (usable !== undefined) return usable.address;
  throw new Error(
    'this machine has no IPv4 address beside loopback, where no peer may be: give it one, for example `ip address add 10.99.0.1/32 dev lo`',
  );
}
