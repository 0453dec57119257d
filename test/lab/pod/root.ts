import { chmodSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDirectory, passwdLines } from './root-plan.js';
import type { RootMount, RootPlan } from './root-plan.js';
import { fstabField } from './shell.js';

export interface RootFiles {
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
  readonly uid: number;
}

/** Lays out an empty root at `root` (folders, symlinks, /etc, mount points) and returns the fstab that fills it. */
export function layOutRoot(root: string, plan: RootPlan, files: RootFiles): string {
  rmSync(root, { recursive: true, force: true });
  for (const name of ['etc', 'var', 'run', 'root', 'home/istio-proxy', 'proc', 'sys', 'dev', 'usr', 'tmp', 'var/tmp']) {
    mkdirSync(join(root, name), { recursive: true, mode: 0o755 });
  }
  for (const name of ['tmp', 'var/tmp']) chmodSync(join(root, name), 0o1777);
  for (const [path, target] of plan.links) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  const etc: Readonly<Record<string, string>> = {
    passwd: passwdLines(files.uid),
    group: 'root:x:0:\nistio-proxy:x:1337:\nnogroup:x:65534:\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
    hosts: files.hosts,
    'resolv.conf': files.resolvConf,
    hostname: `${files.hostname}\n`,
  };
  for (const [name, content] of Object.entries(etc)) writeFileSync(join(root, 'etc', name), content);
  for (const mount of plan.mounts) makeMountPoint(root, plan.mounts, mount);
  return fstab(root, plan.mounts);
}

/** The mount point lies in the root itself, or in the volume that will be mounted above it. */
function makeMountPoint(root: string, mounts: readonly RootMount[], mount: RootMount): void {
  const { source, target } = mount;
  const above = mounts.filter((other) => other !== mount && target.startsWith(`${other.target}/`)).at(-1);
  const place = above === undefined ? join(root, target) : join(above.source, target.slice(above.target.length));
  if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) return;
  if (isDirectory(source)) {
    mkdirSync(place, { recursive: true, mode: 0o755 });
    return;
  }
  mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
  writeFileSync(place, '');
}

function fstab(root: string, mounts: readonly RootMount[]): string {
  const line = (source: string, target: string, type: string, options: string): string =>
    `${[source, join(root, target), type, options].map(fstabField).join(' ')} 0 0`;
  return `${[
    // The root is a mount of its own, so that it can be made read-only.
    line(root, '/', 'none', 'rbind'),
    line('/dev', '/dev', 'none', 'rbind'),
    line('tmpfs', '/dev/shm', 'tmpfs', 'mode=1777'),
    line('/sys', '/sys', 'none', 'rbind,ro'),
    line('proc', '/proc', 'proc', 'nosuid,nodev,noexec'),
    ...mounts.map(({ source, target, readOnly }) => line(source, target, 'none', readOnly ? 'rbind,ro' : 'rbind')),
  ].join('\n')}\n`;
}
