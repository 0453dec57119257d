import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** One mount of a container's root; paths of `target` are inside of it. */
export interface RootMount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** What a container sees as `/`: symlinks and mounts over an otherwise empty tree. */
export interface RootPlan {
  readonly links: ReadonlyMap<string, string>;
  /** In the order in which they are to be mounted: no target hides a later one. */
  readonly mounts: readonly RootMount[];
}

const systemDirectories = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
/** What programs need of the machine's /etc; users, names and name servers are the container's own. */
const systemFiles = [
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'ethertypes',
  'iproute2',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'pki',
  'protocols',
  'services',
  'ssl',
];

/** The machine's programs and libraries, read-only, and `shown` folders at their own paths. */
export function machineMounts(shown: readonly string[]): { links: Map<string, string>; binds: Map<string, string> } {
  const links = new Map<string, string>();
  const binds = new Map<string, string>();
  for (const path of systemDirectories) addEntry(path, path, links, binds);
  for (const name of systemFiles) {
    const path = join('/etc', name);
    if (exists(path)) binds.set(path, realpathSync(path));
  }
  for (const path of shown) if (exists(path)) binds.set(path, realpathSync(path));
  return { links, binds };
}

function addEntry(source: string, target: string, links: Map<string, string>, binds: Map<string, string>): void {
  const found = lstatSync(source, { throwIfNoEntry: false });
  if (found?.isSymbolicLink() === true) links.set(target, readlinkSync(source));
  else if (found !== undefined) binds.set(target, source);
}

/**
 * Root of a container: the machine's folders, then the image's files (read-only), then the volumes. Where a target lies
 * inside a read-only folder and isn't there, that folder is taken apart into its entries so that the target gets a place.
 */
export function planRoot(
  shown: readonly string[],
  image: readonly RootMount[],
  volumes: readonly RootMount[],
): RootPlan {
  const { links, binds } = machineMounts(shown);
  const wanted = [...image, ...volumes].map((mount) => ({ ...mount, target: resolved(mount.target, links) }));
  for (const { source, target } of wanted) makeRoom(target, isDirectory(source), links, binds);
  const machine = [...binds].map(([target, source]) => ({ source, target, readOnly: true }));
  const mounts = [...machine.filter(({ target }) => !wanted.some((mount) => mount.target === target)), ...wanted];
  const depth = ({ target }: RootMount): number => target.split('/').length;
  return { links, mounts: mounts.sort((a, b) => depth(a) - depth(b)) };
}

/** `/bin/x` becomes `/usr/bin/x` where `/bin` is a symlink. */
function resolved(path: string, links: ReadonlyMap<string, string>): string {
  const target = normalize(`/${path}`).replace(/(.)\/+$/, '$1');
  for (const [link, to] of links) {
    if (target.startsWith(`${link}/`)) return join(dirname(link), to, target.slice(link.length));
  }
  return target;
}

function makeRoom(target: string, directory: boolean, links: Map<string, string>, binds: Map<string, string>): void {
  for (;;) {
    const owner = [...binds.keys()]
      .filter((path) => target.startsWith(`${path}/`))
      .sort((a, b) => b.length - a.length)[0];
    const source = owner === undefined ? undefined : binds.get(owner);
    if (owner === undefined || source === undefined) return;
    const place = join(source, target.slice(owner.length));
    if (exists(place) && isDirectory(place) === directory && !lstatSync(place).isSymbolicLink()) return;
    binds.delete(owner);
    for (const name of readdirSync(source)) {
      // An entry that the mount replaces must not come back as a symlink in its way.
      if (join(owner, name) !== target) addEntry(join(source, name), join(owner, name), links, binds);
    }
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Users that a container knows by name. */
export function passwdLines(uid: number): string {
  const known = new Map([
    [0, 'root:x:0:0:root:/root:/bin/sh'],
    [1337, 'istio-proxy:x:1337:1337:istio-proxy:/home/istio-proxy:/bin/sh'],
    [65534, 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin'],
  ]);
  if (!known.has(uid)) known.set(uid, `user${uid}:x:${uid}:0:user${uid}:/:/bin/sh`);
  return `${[...known.values()].join('\n')}\n`;
}
