import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Files that git knows or would take: what a clone will hold. */
export function trackedFiles(): readonly string[] {
  const out = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return out.split('\n').filter((file) => file !== '');
}

export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** Hand-written TypeScript that is not a test. */
export function sources(): readonly string[] {
  return trackedFiles().filter(
    (file) => file.endsWith('.ts') && !/\.(int-|e2e-|arch-|fuzz\.)?spec\.ts$/.test(file) && !file.includes('/gen/'),
  );
}

/** Module specifiers that a file imports. */
export function importsOf(file: string): readonly string[] {
  return [...read(file).matchAll(/^(?:import|export)[^'"]*?from\s+['"]([^'"]+)['"]/gms)].map((match) => match[1] ?? '');
}
