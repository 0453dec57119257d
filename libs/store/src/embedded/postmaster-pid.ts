import { readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Pid of a postmaster that really runs on this data directory; a stale file with a recycled pid counts as none. */
export function livingPostmaster(dataDirectory: string): number | undefined {
  const pid = pidIn(join(dataDirectory, 'postmaster.pid'));
  if (pid === undefined) return undefined;
  try {
    process.kill(pid, 0);
    return readlinkSync(`/proc/${pid}/cwd`) === dataDirectory ? pid : undefined;
  } catch {
    return undefined;
  }
}

function pidIn(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Ends the postmaster that a killed predecessor of ours left behind (fast shutdown, then immediate), and removes a stale pid file,
 * whose number may by now be anybody's.
 */
export async function clearOrphan(dataDirectory: string): Promise<'none' | 'stopped'> {
  const pid = livingPostmaster(dataDirectory);
  if (pid === undefined) {
    rmSync(join(dataDirectory, 'postmaster.pid'), { force: true });
    return 'none';
  }
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    process.kill(pid, signal);
    for (let waited = 0; waited < 5_000; waited += 20) {
      if (livingPostmaster(dataDirectory) !== pid) return 'stopped';
      await sleep(20);
    }
  }
  throw new Error(`postmaster ${pid} on ${dataDirectory} does not end; end it by hand`);
}
