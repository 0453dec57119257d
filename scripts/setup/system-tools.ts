/** Programs of the operating system that the lab runs on: network namespaces, packet filter, processes. */
import { readFileSync } from 'node:fs';
import { findExecutable, run, runOrFail } from './command.js';
import { reporting } from './progress.js';
import type { OnProgress } from './progress.js';

export interface SystemTool {
  readonly command: string;
  /** Debian's package. */
  readonly package: string;
  readonly neededFor: string;
  readonly optional?: boolean;
}

export const systemTools: readonly SystemTool[] = [
  { command: 'ip', package: 'iproute2', neededFor: 'networks of clusters and pods' },
  { command: 'unshare', package: 'util-linux', neededFor: 'namespaces of clusters and pods' },
  { command: 'nsenter', package: 'util-linux', neededFor: 'running commands inside them' },
  { command: 'setpriv', package: 'util-linux', neededFor: "containers' users" },
  { command: 'mount', package: 'mount', neededFor: "containers' volumes" },
  { command: 'iptables', package: 'iptables', neededFor: 'interception by sidecars' },
  { command: 'iptables-restore', package: 'iptables', neededFor: 'interception by sidecars' },
  { command: 'nft', package: 'nftables', neededFor: 'kube-proxy' },
  { command: 'sysctl', package: 'procps', neededFor: 'forwarding inside clusters' },
  { command: 'ps', package: 'procps', neededFor: 'measurements' },
  { command: 'tar', package: 'tar', neededFor: 'unpacking releases' },
  { command: 'conntrack', package: 'conntrack', neededFor: 'kube-proxy cleaning up UDP flows', optional: true },
];

/** Tools that are not on this machine. */
export function checkSystemTools(env: NodeJS.ProcessEnv = process.env): readonly SystemTool[] {
  return systemTools.filter(({ command }) => findExecutable(command, env['PATH']) === undefined);
}

/** Package managers by the `ID` or `ID_LIKE` of /etc/os-release, and packages that are not called as Debian calls them. */
const managers: readonly {
  readonly systems: readonly string[];
  readonly command: string;
  readonly names: Readonly<Record<string, string>>;
}[] = [
  { systems: ['debian', 'ubuntu'], command: 'apt-get install -y --no-install-recommends', names: {} },
  {
    systems: ['fedora', 'rhel', 'centos'],
    command: 'dnf install -y',
    names: { iproute2: 'iproute', procps: 'procps-ng', mount: 'util-linux', conntrack: 'conntrack-tools' },
  },
  {
    systems: ['arch'],
    command: 'pacman -S --needed',
    names: { procps: 'procps-ng', mount: 'util-linux', conntrack: 'conntrack-tools' },
  },
];

/** The command that installs these tools on the system that an os-release file describes; undefined on an unknown one. */
export function installCommand(missing: readonly SystemTool[], osRelease: string): string | undefined {
  const identity = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) =>
    String(match[1]).split(' '),
  );
  const manager = managers.find(({ systems }) => systems.some((system) => identity.includes(system)));
  if (manager === undefined) return undefined;
  const packages = new Set(missing.map((tool) => manager.names[tool.package] ?? tool.package));
  return `${manager.command} ${[...packages].sort().join(' ')}`;
}

/** Installs what is missing when it may (root on Debian or Ubuntu), saying so.
 *  @throws Error with the exact command otherwise */
export async function ensureSystemTools(options: {
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}): Promise<void> {
  const missing = checkSystemTools();
  if (missing.length === 0) return;
  const command = installCommand(missing, osRelease());
  if (command?.startsWith('apt-get') === true && process.getuid?.() === 0) {
    await installWithApt(command, missing, options);
    return;
  }
  const needed = missing.filter((tool) => tool.optional !== true);
  if (needed.length === 0) return;
  const list = needed.map((tool) => `${tool.command} (${tool.neededFor})`).join(', ');
  const remedy = command === undefined ? `install the packages that hold them` : `run: sudo ${command}`;
  throw new Error(`missing system tools: ${list}; ${remedy}`);
}

function osRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

async function installWithApt(
  command: string,
  missing: readonly SystemTool[],
  { onProgress, signal }: { readonly onProgress: OnProgress; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  onProgress({
    step: 'system tools',
    text: `missing ${missing.map((t) => t.command).join(', ')}: ${command}`,
    seconds: 0,
  });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const [program = '', ...args] = command.split(' ');
  await reporting(onProgress, 'system tools', 'installing', async () => {
    const first = await run(program, args, { env, signal });
    if (first.code === 0) return;
    // A fresh image has no package lists.
    await runOrFail(program, ['update'], { env, signal });
    await runOrFail(program, args, { env, signal });
  });
  const still = checkSystemTools().filter((tool) => tool.optional !== true);
  if (still.length > 0) throw new Error(`still missing after "${command}": ${still.map((t) => t.command).join(', ')}`);
}
