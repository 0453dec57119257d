import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A container process that ended: exit code as the shell tells it (128 + signal) and when. */
export interface Exit {
  readonly exitCode: number;
  readonly finishedAt: string;
}

/**
 * The folder in which containers leave marks: `<id>.started` with the process id, `<id>.exited` with code and time. They are
 * files, not messages, so that nothing is missed while the agent is away. Any change calls the listener.
 */
export class Landmarks {
  private watcher: FSWatcher | undefined;

  constructor(readonly directory: string) {
    mkdirSync(directory, { recursive: true });
  }

  /** Calls back with the id whose marks changed, until the signal is aborted. */
  follow(listener: (id: string) => void, signal: AbortSignal): void {
    this.watcher = watch(this.directory, { persistent: true }, (_event, name) => {
      if (name !== null) listener(idOf(name));
    });
    signal.addEventListener('abort', () => this.watcher?.close(), { once: true });
  }

  startedFile(id: string): string {
    return join(this.directory, `${id}.started`);
  }

  exitedFile(id: string): string {
    return join(this.directory, `${id}.exited`);
  }

  /** Process id in the lab's process namespace; undefined before the process is there. */
  started(id: string): number | undefined {
    const pid = Number(readIfThere(this.startedFile(id)));
    return pid > 0 ? pid : undefined;
  }

  exited(id: string): Exit | undefined {
    const [code, seconds] = (readIfThere(this.exitedFile(id)) ?? '').trim().split(' ');
    if (code === undefined || code === '' || seconds === undefined) return undefined;
    return { exitCode: Number(code), finishedAt: new Date(Number(seconds) * 1000).toISOString() };
  }

  /** Removes marks that belong to nobody any more. */
  keepOnly(wanted: (id: string) => boolean): void {
    for (const name of readdirSync(this.directory)) if (!wanted(idOf(name))) rmSync(join(this.directory, name));
  }

  forget(id: string): void {
    rmSync(this.startedFile(id), { force: true });
    rmSync(this.exitedFile(id), { force: true });
  }
}

function idOf(name: string): string {
  return name.replace(/\.(started|exited)$/, '');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
