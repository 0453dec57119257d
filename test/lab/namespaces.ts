import { execFileSync } from 'node:child_process';
import { network } from './plan.js';
import { gatewayOf } from './pod/addresses.js';
import type { ClusterPlan } from './plan.js';

/** Where a command runs: in the lab's own network namespace or in that of one cluster. */
export function inNetwork(netns: string | undefined, command: readonly string[]): readonly string[] {
  // nsenter execs what it is given: the process id is the command's own.
  return netns === undefined ? command : ['nsenter', `--net=/run/netns/${netns}`, '--', ...command];
}

/** The network that joins all clusters: a bridge in the lab's own namespace. `/run` becomes private to the lab. */
export function createHub(clusters: readonly ClusterPlan[]): void {
  run(['mount', '-t', 'tmpfs', 'tmpfs', '/run']);
  run(['mkdir', '-p', '/run/netns']);
  ipBatch(undefined, [
    'link set lo up',
    'link add name wan type bridge',
    `address add ${network.hub}/24 dev wan`,
    'link set wan up',
    ...clusters.map((cluster) => `route add ${cluster.range}.0/24 via ${cluster.wanAddress} dev wan`),
  ]);
}

/** Network namespace of one cluster: its end of the joining network, its WAN range, the pods' bridge and the firewall. */
export function createClusterNetwork(cluster: ClusterPlan, all: readonly ClusterPlan[]): void {
  run(['ip', 'netns', 'add', cluster.netns]);
  ipBatch(undefined, [
    `link add wan-${cluster.netns} type veth peer name wan netns ${cluster.netns}`,
    `link set wan-${cluster.netns} master wan up`,
  ]);
  setKernelSwitches(cluster);
  const peers = all.filter((other) => other.index !== cluster.index);
  ipBatch(cluster.netns, [
    'link set lo up',
    `address add ${cluster.wanAddress}/24 dev wan`,
    'link set wan up',
    `link add name ${network.podBridge} type bridge`,
    `address add ${gatewayOf(cluster.podCidr)}/${cluster.podCidr.split('/')[1] ?? ''} dev ${network.podBridge}`,
    `link set ${network.podBridge} up`,
    `route add local ${cluster.range}.0/24 dev lo`,
    `route add local ${network.guestCidr} dev lo`,
    // Without a route the kernel never asks kube-proxy's rules where the namespace's own calls to a ClusterIP go.
    `route add ${network.serviceCidr} dev wan src ${cluster.nodeAddress}`,
    ...peers.map((peer) => `route add ${peer.range}.0/24 via ${peer.wanAddress} dev wan`),
    ...peers
      .filter((peer) => cluster.flatWith.includes(peer.index))
      .map((peer) => `route add ${peer.podCidr} via ${peer.wanAddress} dev wan`),
  ]);
  run(inNetwork(cluster.netns, ['nft', '-f', '-']), firewall(cluster, all));
}

/**
 * What may come in from the joining network: the API server, and what kube-proxy has translated from a load balancer's
 * address. Everything else (pods, node ports, the other listeners of the namespace) is refused.
 */
export function firewall(cluster: ClusterPlan, all: readonly ClusterPlan[]): string {
  const { firstLoadBalancer, lastLoadBalancer } = network;
  // What kube-proxy has no rule for (yet): refused at once, where the joining network would let it wait in vain.
  const noService = `ip daddr ${network.serviceCidr} oifname "wan" reject`;
  const balanced = `ct status dnat ct original ip daddr ${cluster.range}.${firstLoadBalancer}-${cluster.range}.${lastLoadBalancer}`;
  const flat = all.filter(({ index }) => cluster.flatWith.includes(index)).map(({ podCidr }) => podCidr);
  const fromFlat = flat.map((cidr) => `iifname "wan" ip saddr ${cidr} ip daddr ${cluster.podCidr} accept`);
  const toFlat = flat.map((cidr) => `oifname "wan" ip saddr ${cluster.podCidr} ip daddr ${cidr} accept`);
  return `table inet lab {
  chain input {
    type filter hook input priority 10;
    iifname "wan" ct state established,related accept
    iifname "wan" ip daddr ${cluster.apiAddress} tcp dport ${network.apiPort} accept
    iifname "wan" ${balanced} accept
    iifname "wan" reject with icmpx admin-prohibited
  }
  chain forward {
    type filter hook forward priority 10;
    ${noService}
    iifname "wan" ct state established,related accept
    iifname "wan" ${balanced} accept
    ${fromFlat.join('\n    ')}
    iifname "wan" reject with icmpx admin-prohibited
  }
  chain output {
    type filter hook output priority 10;
    ${noService}
  }
  chain local {
    type nat hook output priority -110;
    ip daddr 127.0.0.1 tcp dport ${cluster.localApiPort} redirect to :${network.apiPort}
  }
  chain postrouting {
    type nat hook postrouting priority 90;
    ${toFlat.join('\n    ')}
    oifname "wan" ip saddr ${cluster.podCidr} snat ip to ${cluster.nodeAddress}
  }
}
`;
}

const switches: readonly (readonly [string, string])[] = [
  ['net.ipv4.ip_forward', '1'],
  ['net.ipv4.conf.all.send_redirects', '0'],
  ['net.ipv4.conf.default.send_redirects', '0'],
  ['net.ipv4.conf.all.rp_filter', '0'],
  ['net.ipv4.conf.default.rp_filter', '0'],
  ['net.ipv4.ip_unprivileged_port_start', '0'],
  ['net.ipv6.conf.all.accept_dad', '0'],
  ['net.ipv6.conf.default.accept_dad', '0'],
];

function setKernelSwitches(cluster: ClusterPlan): void {
  const writes = switches.map(([name, value]) => `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`);
  // Bridged answers must pass through connection tracking too; absent where the kernel has no bridge netfilter.
  const bridge =
    '[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables';
  const ipv6 = writes.filter((line) => line.includes('/ipv6/')).map((line) => `{ ${line}; } 2>/dev/null || true`);
  const ipv4 = writes.filter((line) => !line.includes('/ipv6/'));
  run(inNetwork(cluster.netns, ['sh', '-ec', [...ipv4, ...ipv6, bridge].join('\n')]));
}

function ipBatch(netns: string | undefined, lines: readonly string[]): void {
  run(inNetwork(netns, ['ip', '-batch', '-']), `${lines.join('\n')}\n`);
}

function run(command: readonly string[], input?: string): void {
  const [program = '', ...args] = command;
  try {
    execFileSync(program, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(input === undefined ? {} : { input }) });
  } catch (error) {
    const stderr = String((error as { stderr?: Buffer }).stderr ?? '').trim();
    throw new Error(`${command.join(' ')}: ${stderr || (error as Error).message}`, { cause: error });
  }
}
