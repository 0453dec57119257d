import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Payload } from './volume-payload.js';

const link = '..data';

/**
 * Brings a volume's folder to this content as the kubelet does: files go into a fresh folder, the symlink `..data` is
 * renamed over the old one in a single step, and the visible names are symlinks through it. Readers therefore see either all
 * of the old or all of the new files. Returns whether anything changed.
 */
export function writePayload(directory: string, payload: Payload, group?: number): boolean {
  const digest = digestOf(payload, group);
  // Beside the volume: inside, a program could take it for a file of the volume.
  const digestFile = `${directory}.digest`;
  if (readIfThere(digestFile) === digest && existsSync(join(directory, link))) return false;
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const version = `..${process.hrtime.bigint().toString(36)}`;
  const fresh = join(directory, version);
  mkdirSync(fresh, { mode: 0o755 });
  for (const [path, { content, mode }] of payload) writeOne(join(fresh, path), content, mode, group);
  const temporary = join(directory, '..data_tmp');
  rmSync(temporary, { force: true });
  symlinkSync(version, temporary);
  renameSync(temporary, join(directory, link));
  showNames(directory, new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path)));
  for (const name of readdirSync(directory)) {
    if (name.startsWith('..') && ![version, link].includes(name)) {
      rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
  writeFileSync(digestFile, digest);
  return true;
}

function writeOne(path: string, content: Buffer, mode: number, group: number | undefined): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, content);
  if (group !== undefined) chownSync(path, -1, group);
  // A group that is asked for by fsGroup may read what the owner may.
  chmodSync(path, group === undefined ? mode : mode | ((mode & 0o400) >> 3));
}

function showNames(directory: string, names: ReadonlySet<string>): void {
  const shown = readdirSync(directory).filter((name) => !name.startsWith('..'));
  for (const name of shown) if (!names.has(name)) rmSync(join(directory, name), { force: true });
  for (const name of names) {
    const path = join(directory, name);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) symlinkSync(join(link, name), path);
  }
}

function digestOf(payload: Payload, group: number | undefined): string {
  const hash = createHash('sha256').update(`${group ?? ''}\n`);
  for (const path of [...payload.keys()].sort()) {
    const { content, mode } = payload.get(path) ?? { content: Buffer.alloc(0), mode: 0 };
    hash.update(`${path}\0${mode}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
