/** Builds parts from Go modules: the committed go.mod and go.sum are copied into a work folder, all wanted programs of one
 *  module are built by one `go build` (they share most packages), static and without paths of this machine. */
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import type { Part } from './catalogue.js';
import { findExecutable, runOrFail } from './command.js';
import { goModules } from './go-modules.js';
import type { GoModuleName } from './go-modules.js';
import { modulesDirectory } from './recipe-digest.js';

/** A part whose recipe is of one kind. */
export type PartOf<K extends Part['recipe']['kind']> = Part & { readonly recipe: Extract<Part['recipe'], { kind: K }> };

export function isOf<K extends Part['recipe']['kind']>(kind: K, part: Part): part is PartOf<K> {
  return part.recipe.kind === kind;
}

/** Arguments of the one `go build` for parts of one module. */
export function buildArguments(parts: readonly PartOf<'go'>[], outputFolder: string): readonly string[] {
  const variables = [...new Set(parts.flatMap((part) => part.recipe.variables))].sort();
  const linker = ['-s', '-w', ...variables.map((variable) => `-X ${variable}`)].join(' ');
  const packages = parts.map((part) => part.recipe.package).sort();
  return ['build', '-buildvcs=false', '-trimpath', '-ldflags', linker, '-o', `${outputFolder}/`, ...packages];
}

/** The name that `go build` gives to a main package: its last path element that is not a major version. */
export function outputName(packagePath: string): string {
  return basename(packagePath.replace(/\/v\d+$/, ''));
}

/** Builds and returns the file of each part, inside `folder`.
 *  @throws Error with the compiler's last lines */
export async function buildGo(
  moduleName: GoModuleName,
  parts: readonly PartOf<'go'>[],
  folder: string,
  signal?: AbortSignal | undefined,
): Promise<ReadonlyMap<Part, string>> {
  await prepareModule(moduleName, folder);
  const output = join(folder, 'out');
  await mkdir(output);
  await go(buildArguments(parts, output), folder, signal);
  return new Map(parts.map((part) => [part, join(output, outputName(part.recipe.package))]));
}

/** Takes one file out of a module, verified by the committed go.sum and, where pinned, by its own digest. */
export async function takeModuleFile(
  part: PartOf<'module-file'>,
  folder: string,
  signal?: AbortSignal | undefined,
): Promise<string> {
  const { module, of, file, sha256 } = part.recipe;
  await prepareModule(module, folder);
  const described = await go(['mod', 'download', '-json', of], folder, signal);
  const { Dir: directory } = JSON.parse(described) as { readonly Dir: string };
  const content = await readFile(join(directory, file));
  const digest = createHash('sha256').update(content).digest('hex');
  if (sha256 !== undefined && digest !== sha256) {
    throw new Error(`${file} of ${of}: sha256 is ${digest}, expected ${sha256}`);
  }
  // Copied, not linked: files of Go's module cache are read-only and may be on another file system.
  const copy = join(folder, part.file);
  await copyFile(join(directory, file), copy);
  return copy;
}

async function prepareModule(name: GoModuleName, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of ['go.mod', 'go.sum']) await copyFile(join(modulesDirectory(), name, file), join(folder, file));
}

/** Lowest Go release that can build all modules. */
export function neededGo(): string {
  const versions = Object.values(goModules).map((module) => module.go);
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) ?? '';
}

/** Runs Go in a folder with settings that don't depend on the user's.
 *  @throws Error with what to install when there is no Go */
export async function go(args: readonly string[], cwd: string, signal?: AbortSignal | undefined): Promise<string> {
  const program = findExecutable('go', `${process.env['PATH'] ?? ''}:/usr/local/go/bin`);
  if (program === undefined) {
    throw new Error(
      `Go ${neededGo()} or newer is needed to build parts that can't be downloaded: install it, or name ready files by ISTHMUS_PART_<NAME>`,
    );
  }
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' };
  return runOrFail(program, args, { cwd, env, signal });
}
