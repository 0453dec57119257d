/** Rewrites the committed go.mod and go.sum files for the versions in go-modules.ts. Run by whoever raises a version. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { go } from './go-build.js';
import { goModules, moduleFile, stagingModulesOf } from './go-modules.js';
import type { GoModule } from './go-modules.js';
import { reporting } from './progress.js';
import type { OnProgress } from './progress.js';
import { modulesDirectory } from './recipe-digest.js';

/** @throws Error with Go's own words when a module can't be resolved */
export async function pinModules(onProgress: OnProgress): Promise<void> {
  for (const module of Object.values(goModules)) {
    await reporting(onProgress, module.name, 'resolving and writing go.mod, go.sum', () => pin(module));
  }
}

async function pin(module: GoModule): Promise<void> {
  const folder = join(modulesDirectory(), module.name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'go.mod'), moduleFile(module, await stagingModules(module)));
  await go(['mod', 'tidy'], folder);
}

async function stagingModules(module: GoModule): Promise<readonly string[]> {
  const { staging, requires } = module;
  if (staging === undefined) return [];
  const version = requires.find(({ path }) => path === staging.of)?.version;
  const described = await go(['mod', 'download', '-json', `${staging.of}@${version}`], tmpdir());
  const { GoMod: file } = JSON.parse(described) as { readonly GoMod: string };
  return stagingModulesOf(await readFile(file, 'utf8'));
}
