/** Parts that are on this machine already: named by a variable, in KUBEBUILDER_ASSETS, or on PATH in a version that serves. */
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { variableFor, versionServes } from './catalogue.js';
import type { Part } from './catalogue.js';
import { findExecutable, isExecutable, run } from './command.js';

export interface FoundPart {
  readonly path: string;
  /** As the program says; the wanted one for files that don't say. */
  readonly version: string;
}

const versionTimeoutMs = 10_000;

/** The file that the part's own variable names. It is used as it is: who names a file has decided.
 *  @throws Error when the variable names no file */
export function namedByVariable(part: Part, env: NodeJS.ProcessEnv): string | undefined {
  const variable = variableFor(part.name);
  const path = env[variable];
  if (path === undefined || path === '') return undefined;
  if (!isAbsolute(path) || !existsSync(path)) {
    throw new Error(`${variable} is "${path}": give the absolute path of an existing file, or unset it`);
  }
  return path;
}

/** A candidate in the folder KUBEBUILDER_ASSETS, whatever its version. */
export function inAssets(part: Part, env: NodeJS.ProcessEnv): string | undefined {
  const folder = env['KUBEBUILDER_ASSETS'];
  if (folder === undefined || folder === '' || part.versionQuery === undefined) return undefined;
  const candidate = join(folder, part.name);
  return isExecutable(candidate) ? candidate : undefined;
}

/** The first candidate (KUBEBUILDER_ASSETS, then PATH) whose version serves. */
export async function findOnMachine(part: Part, env: NodeJS.ProcessEnv): Promise<FoundPart | undefined> {
  if (part.versionQuery === undefined) return undefined;
  for (const path of [inAssets(part, env), findExecutable(part.name, env['PATH'])]) {
    const version = path === undefined ? undefined : await versionOf(part, path);
    if (path !== undefined && version !== undefined && versionServes(version, part.version)) return { path, version };
  }
  return undefined;
}

/** What a program says its version is; undefined when it says nothing that we understand. */
export async function versionOf(part: Part, path: string): Promise<string | undefined> {
  if (part.versionQuery === undefined) return undefined;
  try {
    const { stdout, stderr } = await run(path, part.versionQuery.args, { timeoutMs: versionTimeoutMs });
    return part.versionQuery.pattern.exec(`${stdout}\n${stderr}`)?.[1];
  } catch {
    return undefined;
  }
}
