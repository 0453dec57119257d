/** The real parts that tests, benchmarks, the lab and the demo run: see docs/real-parts.md. */
import { cacheDirectory, readCached } from './cache.js';
import { allParts, partNamed, variableFor } from './catalogue.js';
import type { Part, PartName } from './catalogue.js';
import { fetchParts } from './fetch-parts.js';
import { namedByVariable, versionOf } from './find.js';
import { exclusively } from './lock.js';
import { reporting } from './progress.js';
import type { OnProgress } from './progress.js';

export { cacheDirectory, allParts };
export { checkSystemTools, ensureSystemTools } from './system-tools.js';
export type { SystemTool } from './system-tools.js';
export type { PartName };
export type { OnProgress, Progress } from './progress.js';

/** Absolute path of each part asked for. */
export type Parts<N extends PartName = PartName> = Readonly<Record<N, string>>;

export interface PartReport {
  readonly name: PartName;
  readonly version: string;
  /** `named by <variable>`, how a cached part was obtained, or `missing`. */
  readonly how: string;
  readonly path?: string;
}

export interface EnsureOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** Makes every named part available and returns where each is. Looked for in this order: a variable that names the file, the
 *  cache, the machine, a download, a build. Quick when all is there; several processes may call it at once.
 *  @throws Error that names the part, what went wrong and the remedy */
export async function ensureParts<N extends PartName>(
  names: readonly N[],
  options: EnsureOptions = {},
): Promise<Parts<N>> {
  const parts = names.map((name) => partNamed(name));
  const absent = (): readonly Part[] => parts.filter((part) => locate(part) === undefined);
  if (absent().length > 0) {
    const root = cacheDirectory(process.env);
    const onProgress = options.onProgress ?? ((): void => undefined);
    const { signal } = options;
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const work = async (): Promise<void> => {
      begin();
      await fetchParts(absent(), { root, onProgress, signal });
    };
    const done = exclusively(root, work, { signal });
    await reporting(onProgress, 'setup', `waiting for another setup of ${root}`, () => Promise.race([begun, done]));
    await done;
  }
  return Object.fromEntries(names.map((name) => [name, partPath(name)])) as Parts<N>;
}

/** Where a part is, without getting it.
 *  @throws Error with the remedy when it is not available */
export function partPath(name: PartName): string {
  const path = locate(partNamed(name));
  if (path !== undefined) return path;
  const root = cacheDirectory(process.env);
  throw new Error(`part "${name}" is not in ${root}: run npm run setup -- --only ${name}`);
}

/** What is available and how it came; gets nothing. */
export async function reportParts(names: readonly PartName[]): Promise<readonly PartReport[]> {
  return Promise.all(names.map((name) => reportPart(partNamed(name))));
}

async function reportPart(part: Part): Promise<PartReport> {
  const { name } = part;
  const named = namedByVariable(part, process.env);
  if (named !== undefined) {
    const version = (await versionOf(part, named)) ?? 'unknown';
    return { name, version, how: `named by ${variableFor(name)}`, path: named };
  }
  const cached = readCached(cacheDirectory(process.env), part);
  return cached === undefined ? { name, version: part.version, how: 'missing' } : { name, ...cached };
}

function locate(part: Part): string | undefined {
  return namedByVariable(part, process.env) ?? readCached(cacheDirectory(process.env), part)?.path;
}
