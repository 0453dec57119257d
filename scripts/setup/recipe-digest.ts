/** The digest under which a part is cached: it changes with anything that would make the result another one. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Part } from './catalogue.js';

/** Raise it when the way of building changes in a manner that the recipe does not show (compiler flags). */
export const buildRevision = 1;

/** First 12 hex digits of the SHA-256 over version, recipe, processor and the pinned files.
 *  @param pinned content of the files that pin what the recipe fetches (go.mod, go.sum, requirements.txt) */
export function recipeDigest(part: Part, architecture: string, pinned: readonly string[]): string {
  const hash = createHash('sha256');
  const described = { revision: buildRevision, version: part.version, recipe: part.recipe, architecture };
  hash.update(JSON.stringify(described));
  for (const text of pinned) hash.update('\0').update(text);
  return hash.digest('hex').slice(0, 12);
}

/** Files that pin what the part's recipe fetches, absolute. */
export function pinnedFiles(part: Part): readonly string[] {
  if (part.recipe.kind === 'wheel') return [join(modulesDirectory(), part.recipe.requirements, 'requirements.txt')];
  const folder = join(modulesDirectory(), part.recipe.module);
  return [join(folder, 'go.mod'), join(folder, 'go.sum')];
}

export function digestOf(part: Part, architecture: string): string {
  return recipeDigest(
    part,
    architecture,
    pinnedFiles(part).map((file) => readFileSync(file, 'utf8')),
  );
}

let found: string | undefined;

/** `scripts/setup/modules` of this repository, whether this file runs as source or from `dist`. */
export function modulesDirectory(): string {
  if (found !== undefined) return found;
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === dirname(folder)) throw new Error(`no package.json above ${import.meta.dirname}`);
    folder = dirname(folder);
  }
  found = join(folder, 'scripts/setup/modules');
  return found;
}
