/** The cache of parts: `<root>/<part>/<version>-<digest>/` with the file and a stamp, put there by one rename, never changed after. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { Part } from './catalogue.js';
import { digestOf } from './recipe-digest.js';

/** How a cached part was obtained. */
export type How = 'found on this machine' | 'downloaded' | 'taken from a wheel' | 'taken from a Go module' | 'built';

export interface Stamp {
  readonly part: string;
  readonly version: string;
  readonly how: How;
  /** Relative to the stamp's folder, or absolute for a file found elsewhere on this machine. */
  readonly file: string;
  readonly size: number;
  /** Unix ms; only kept for a file outside the cache, which may be replaced behind our back. */
  readonly modified?: number;
}

export interface CachedPart {
  readonly path: string;
  readonly version: string;
  readonly how: How;
}

/** `ISTHMUS_CACHE`, else `isthmus/parts` in the user's cache folder. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  const { ISTHMUS_CACHE: own, XDG_CACHE_HOME: users } = env;
  if (own !== undefined && own !== '') {
    if (!isAbsolute(own)) throw new Error(`ISTHMUS_CACHE is "${own}": give an absolute path`);
    return own;
  }
  const base = users !== undefined && isAbsolute(users) ? users : join(homedir(), '.cache');
  return join(base, 'isthmus/parts');
}

/** Folder of exactly this version and recipe of a part. */
export function partDirectory(root: string, part: Part): string {
  return join(root, part.name, `${part.version}-${digestOf(part, process.arch)}`);
}

/** The cached part, or undefined when it is absent, incomplete or no longer the file that was stamped. */
export function readCached(root: string, part: Part): CachedPart | undefined {
  const folder = partDirectory(root, part);
  try {
    const stamp = parseStamp(readFileSync(join(folder, 'stamp.json'), 'utf8'));
    const path = isAbsolute(stamp.file) ? stamp.file : join(folder, stamp.file);
    const { size, mtimeMs } = statSync(path);
    if (size !== stamp.size || (stamp.modified !== undefined && stamp.modified !== Math.trunc(mtimeMs))) {
      return undefined;
    }
    return { path, version: stamp.version, how: stamp.how };
  } catch {
    return undefined;
  }
}

/** @throws Error when the text is not a stamp */
export function parseStamp(text: string): Stamp {
  const value = JSON.parse(text) as Partial<Stamp> | null;
  const complete =
    typeof value?.file === 'string' &&
    typeof value.size === 'number' &&
    typeof value.version === 'string' &&
    typeof value.how === 'string';
  if (!complete) throw new Error(`not a stamp: ${text.slice(0, 80)}`);
  return value as Stamp;
}

/** Moves a file that was just made (on the same file system) into the cache. */
export function adopt(root: string, part: Part, file: string, how: How): CachedPart {
  const { size } = statSync(file);
  const stamp: Stamp = { part: part.name, version: part.version, how, file: part.file, size };
  place(root, part, stamp, (folder) => renameSync(file, join(folder, part.file)));
  return { path: join(partDirectory(root, part), part.file), version: part.version, how };
}

/** Remembers a file that stays where it is, so that its version need not be asked for each time. */
export function remember(root: string, part: Part, file: string, version: string): CachedPart {
  const { size, mtimeMs } = statSync(file);
  const how: How = 'found on this machine';
  const stamp: Stamp = { part: part.name, version, how, file, size, modified: Math.trunc(mtimeMs) };
  place(root, part, stamp, () => undefined);
  return { path: file, version, how };
}

function place(root: string, part: Part, stamp: Stamp, fill: (folder: string) => void): void {
  const target = partDirectory(root, part);
  const ready = join(workDirectory(root), `${part.name}-${process.pid}`);
  rmSync(ready, { recursive: true, force: true });
  mkdirSync(ready, { recursive: true });
  fill(ready);
  writeFileSync(join(ready, 'stamp.json'), `${JSON.stringify(stamp, null, 2)}\n`);
  mkdirSync(dirname(target), { recursive: true });
  // A folder without a valid stamp is in the way only after a crash or a change by hand; a running program keeps its file.
  rmSync(target, { recursive: true, force: true });
  renameSync(ready, target);
}

/** Unfinished work, on the cache's file system so that results can be renamed; emptied by the next holder of the lock. */
export function workDirectory(root: string): string {
  return join(root, '.work');
}
