import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { descendants, readProcessTable } from '../lab/process-table.js';
import { round } from './figures.js';

/** Clock ticks of /proc in a second: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** CPU in percent of one core over a window, memory in MiB at its end. */
export interface Usage {
  readonly cpuPercent: number;
  readonly rssMiB: number;
  readonly pssMiB: number;
  /** The same of what it started (here: its embedded PostgreSQL). */
  readonly children: { readonly cpuPercent: number; readonly pssMiB: number };
}

/** Watches a process and its descendants for so long. */
export async function usageOf(pid: number, seconds: number): Promise<Usage> {
  const [own, others] = [cpuSeconds(pid), cpuOfChildren(pid)];
  const started = performance.now();
  await pause(seconds * 1000);
  const elapsed = (performance.now() - started) / 1000;
  const percent = (used: number): number => round((used / elapsed) * 100);
  const { rss, pss } = memory(pid);
  return {
    cpuPercent: percent(cpuSeconds(pid) - own),
    rssMiB: rss,
    pssMiB: pss,
    children: { cpuPercent: percent(cpuOfChildren(pid) - others), pssMiB: pssOfChildren(pid) },
  };
}

/** Seconds of CPU, user and system, of a process since it began; with `reaped`, also of its children that have ended. */
export function cpuSeconds(pid: number, reaped = false): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name may hold blanks and brackets: fields are counted from after it, the state being the first.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, reaped ? 15 : 13).map(Number);
  return ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond;
}

function memory(pid: number): { readonly rss: number; readonly pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mebibytes = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) / 1024);
  return { rss: mebibytes('Rss'), pss: mebibytes('Pss') };
}

function cpuOfChildren(pid: number): number {
  return sumOver(pid, (child) => cpuSeconds(child, true));
}

function pssOfChildren(pid: number): number {
  return sumOver(pid, (child) => memory(child).pss);
}

/** A process that ends meanwhile counts as nothing; its CPU is then found in its parent's account of ended children. */
function sumOver(pid: number, read: (child: number) => number): number {
  return descendants(readProcessTable(), pid).reduce((sum, child) => {
    try {
      return sum + read(child.pid);
    } catch {
      return sum;
    }
  }, 0);
}
