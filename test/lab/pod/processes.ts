import { readdirSync, readFileSync } from 'node:fs';

/**
 * A process beyond doubt: its id in the lab's process namespace and its start time (clock ticks since boot), which is the
 * same in every namespace and tells it from a later process that got the same id.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly ticks: number;
}

/** Start time of a process in clock ticks; undefined when it is gone or only a zombie is left. */
export function startTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name stands in parentheses and may hold anything; fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

export function isAlive({ pid, ticks }: ProcessIdentity): boolean {
  return startTicks(pid) === ticks;
}

/** Sends a signal to exactly this process; false when it is gone. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false;
  try {
    return process.kill(target.pid, signal);
  } catch {
    return false;
  }
}

/**
 * Id of a lab process as the caller sees it, inside the lab or outside; undefined when it is gone. Outside, every process
 * is looked at: its start time must agree and one of the ids in its namespaces must be the one known in the lab.
 */
export function pidSeenFromHere(target: ProcessIdentity): number | undefined {
  if (startTicks(target.pid) === target.ticks && pidsOf(target.pid).includes(target.pid)) return target.pid;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || startTicks(pid) !== target.ticks) continue;
    if (pidsOf(pid).includes(target.pid)) return pid;
  }
  return undefined;
}

/** Ids of a process in all process namespaces that it is in and we see, ours first. */
function pidsOf(pid: number): readonly number[] {
  try {
    const line = /^NSpid:\s*(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return (line?.[1] ?? '').split(/\s+/).map(Number);
  } catch {
    return [];
  }
}
