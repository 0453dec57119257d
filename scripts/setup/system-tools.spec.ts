import { expect, it } from '@jest/globals';
import { installCommand, systemTools } from './system-tools.js';

const tools = (...commands: string[]): typeof systemTools =>
  systemTools.filter(({ command }) => commands.includes(command));

it.each([
  ['Debian', 'ID=debian\n', 'apt-get install -y --no-install-recommends iproute2 iptables nftables'],
  ['Ubuntu', 'ID=ubuntu\nID_LIKE=debian\n', 'apt-get install -y --no-install-recommends iproute2 iptables nftables'],
  [
    'a child of Ubuntu',
    'ID=mint\nID_LIKE="ubuntu debian"\n',
    'apt-get install -y --no-install-recommends iproute2 iptables nftables',
  ],
  ['Fedora', 'ID=fedora\n', 'dnf install -y iproute iptables nftables'],
  ['Arch', 'ID=arch\n', 'pacman -S --needed iproute2 iptables nftables'],
  ['an unknown system', 'NAME="Debian lookalike"\nID=plan9\n', undefined],
  ['no os-release', '', undefined],
])('on %s', (_, osRelease, command) => {
  expect(installCommand(tools('ip', 'iptables', 'iptables-restore', 'nft'), osRelease)).toBe(command);
});
