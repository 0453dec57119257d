import { readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';

/** One process as seen from outside of the lab. */
export interface TableEntry {
  readonly pid: number;
  readonly parent: number;
  /** Ids in the nested process namespaces, outermost first. */
  readonly nested: readonly number[];
}

/** Fields of `/proc/<pid>/status`; undefined when the text lacks them. Pure. */
export function parseStatus(pid: number, text: string): TableEntry | undefined {
  const parent = /^PPid:\s+(\d+)$/m.exec(text)?.[1];
  const nested = /^NSpid:\s+([\d\s]+)$/m.exec(text)?.[1];
  if (parent === undefined || nested === undefined) return undefined;
  return { pid, parent: Number(parent), nested: nested.trim().split(/\s+/).map(Number) };
}

/** The processes below `ancestor`, in no particular order. Pure. */
export function descendants(entries: readonly TableEntry[], ancestor: number): readonly TableEntry[] {
  const children = new Map<number, TableEntry[]>();
  for (const entry of entries) children.set(entry.parent, [...(children.get(entry.parent) ?? []), entry]);
  const found: TableEntry[] = [];
  const open = [ancestor];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const child of children.get(next) ?? []) {
      found.push(child);
      open.push(child.pid);
    }
  }
  return found;
}

/** All processes that this one sees. */
export function readProcessTable(): readonly TableEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const entry = parseStatus(Number(name), readOrEmpty(`/proc/${name}/status`));
      return entry === undefined ? [] : [entry];
    });
}

/** The words of a process's command line; empty when it is gone. */
export function commandLine(pid: number): readonly string[] {
  return readOrEmpty(`/proc/${pid}/cmdline`)
    .split('\0')
    .filter((word) => word !== '');
}

/** Whether a process has a file or folder below `directory` mounted: a container's volumes tell whose it is. */
export function mountsFrom(pid: number, directory: string): boolean {
  return readOrEmpty(`/proc/${pid}/mountinfo`).includes(`${directory}/`);
}

/**
 * Which part of the product a command line is; undefined for wrappers and everything else. An Envoy is told by the agent that
 * started it: the gateway's runs as a router, the sidecars' do not. Pure.
 */
export function productPart(
  words: readonly string[],
  parentWords: readonly string[],
): 'controller' | 'metadata-api' | 'mesh' | 'gateway' | undefined {
  const program = basename(words[0] ?? '');
  if (program === 'envoy') return parentWords.includes('router') ? 'gateway' : undefined;
  if (program !== 'node') return undefined;
  const app = words.map((word) => /apps\/([a-z-]+)\/src\/main\.js$/.exec(word)?.[1]).find((name) => name !== undefined);
  return app === 'controller' || app === 'metadata-api' || app === 'mesh' ? app : undefined;
}

/** Sends a signal; a process that has just ended needs none. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
