import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine, quote } from './shell.js';

/** What a pod's network looks like from its node. */
export interface PodNetwork {
  readonly bridge: string;
  readonly gateway: string;
}

export interface SandboxWish {
  readonly directory: string;
  readonly hostname: string;
  /** Absent for a pod on the node's own network. */
  readonly network?: PodNetwork & { readonly address: string; readonly linkName: string };
  readonly sysctls: Readonly<Record<string, string>>;
  /** File that gets the sandbox's process id when all is ready. */
  readonly startedFile: string;
  readonly logFile: string;
}

/** As container engines set them: no privileges for low ports and ping; IPv6 is off, the lab's pods have IPv4 addresses. */
const podSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
  'net.ipv6.conf.all.disable_ipv6': '1',
  'net.ipv6.conf.default.disable_ipv6': '1',
  'net.ipv4.conf.all.accept_redirects': '0',
  'net.ipv4.conf.default.accept_redirects': '0',
};

/** Hardware address that follows from the pod's address: tables of neighbours stay true when an address comes back. */
export function hardwareAddress(ip: string): string {
  const bytes = ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return ['0a', '58', ...bytes].join(':');
}

/**
 * Script that makes the pod's namespaces and then stays as the one process that holds them. It runs in fresh network, UTS and
 * IPC namespaces; its first argument is the id of a process in the node's network, to which the other end of the pod's link
 * is given. A pod has a /32 address and reaches even its neighbours through the node, so that connection tracking (and with
 * it every ClusterIP) sees both directions.
 */
export function sandboxScript(wish: SandboxWish): string {
  const { network, hostname, startedFile } = wish;
  const sysctls = Object.entries({ ...(network === undefined ? {} : podSysctls), ...wish.sysctls });
  const inPod =
    network === undefined
      ? []
      : [
          'link set lo up',
          `link add eth0 address ${hardwareAddress(network.address)} type veth peer name ${network.linkName} netns $1`,
          `address add ${network.address}/32 dev eth0`,
          'link set eth0 up',
          `route add ${network.gateway} dev eth0 scope link`,
          `route add default via ${network.gateway} dev eth0`,
        ];
  const onNode = network === undefined ? [] : [`link set ${network.linkName} master ${network.bridge} up`];
  return [
    'set -e',
    ...sysctls.map(
      ([name, value]) => `echo ${quote(value)} 2>/dev/null >/proc/sys/${name.replaceAll('.', '/')} || true`,
    ),
    ...(inPod.length === 0 ? [] : [`ip -batch - <<END\n${inPod.join('\n')}\nEND`]),
    ...(onNode.length === 0 ? [] : [`nsenter --net=/proc/$1/ns/net ip -batch - <<END\n${onNode.join('\n')}\nEND`]),
    commandLine(['hostname', hostname]),
    'read -r pid rest </proc/self/stat',
    `echo "$pid" >${quote(startedFile)}`,
    'exec sleep infinity',
    '',
  ].join('\n');
}

/** Starts a pod's sandbox, independent of the agent's own life. */
export function startSandbox(wish: SandboxWish): void {
  const script = join(wish.directory, 'sandbox.sh');
  writeFileSync(script, sandboxScript(wish));
  const net = wish.network === undefined ? [] : ['--net'];
  const log = openSync(wish.logFile, 'a');
  const child = spawn('unshare', [...net, '--uts', '--ipc', 'sh', script, String(process.pid)], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
}
