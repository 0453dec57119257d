/** One setup at a time per cache: a folder is the lock, and its holder's heartbeat tells a live lock from a dead one. */
import {
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LockTimes {
  /** ms between two attempts */
  readonly retryMs: number;
  /** ms between two heartbeats */
  readonly beatMs: number;
  /** ms without a heartbeat after which the holder counts as dead */
  readonly deadAfterMs: number;
}

const usual: LockTimes = { retryMs: 500, beatMs: 5_000, deadAfterMs: 60_000 };

/** Runs `work` while holding `<root>/.lock`. Waits as long as the holder lives; a dead holder's lock is taken over. */
export async function exclusively<T>(
  root: string,
  work: () => Promise<T>,
  options: { readonly signal?: AbortSignal | undefined; readonly times?: LockTimes } = {},
): Promise<T> {
  const times = options.times ?? usual;
  const lock = join(root, '.lock');
  mkdirSync(root, { recursive: true });
  while (!taken(lock)) {
    options.signal?.throwIfAborted();
    if (isDead(lock, times.deadAfterMs)) bury(lock, times.deadAfterMs);
    await sleep(times.retryMs);
  }
  const beat = setInterval(() => touch(lock), times.beatMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(lock, { recursive: true, force: true });
  }
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(join(lock, 'holder.json'), JSON.stringify({ pid: process.pid, place: place() }));
  return true;
}

/** Pids mean something only to processes that share the machine and the pid namespace (a cache may be shared with containers). */
function place(): string {
  return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
}

function isDead(lock: string, deadAfterMs: number): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > deadAfterMs) return true;
    const holder = JSON.parse(readFileSync(join(lock, 'holder.json'), 'utf8')) as { pid: number; place: string };
    return holder.place === place() && !isAlive(holder.pid);
  } catch {
    // Gone, or its holder stands between making the folder and writing into it: the next attempt tells.
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Renamed first, so that of several who found it dead only one removes it; a live lock caught by mistake is put back. */
function bury(lock: string, deadAfterMs: number): void {
  const grave = `${lock}.dead-${process.pid}`;
  try {
    renameSync(lock, grave);
    if (isDead(grave, deadAfterMs)) rmSync(grave, { recursive: true, force: true });
    else renameSync(grave, lock);
  } catch {
    // Another one was faster.
  }
}

function touch(lock: string): void {
  try {
    utimesSync(lock, new Date(), new Date());
  } catch {
    // Taken away by hand: the work goes on, results are renamed into place one by one anyway.
  }
}
