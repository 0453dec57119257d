import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { LabApi, repositoryDirectory, runCommand, waitFor } from '../../lab/index.js';
import type { ClusterDescription, CommandResult, LabDescription } from '../../lab/index.js';

interface Version {
  /** Inode and time of birth: an inode that became free is soon another file's. */
  readonly file: string;
  readonly writtenAt: number;
  readonly fault?: string;
}

/** One `npm run lab`, and what a reader of its FILE sees. */
export interface LabRun {
  readonly child: ChildProcess;
  readonly file: string;
  /** Resolves with the first description; rejects when the command ends without one. */
  readonly described: Promise<LabDescription>;
  /** When FILE appeared; it is there once `described` has resolved. */
  bornAt(): number;
  /** The description as it stands. */
  read(): LabDescription;
  /** Versions seen so far: a file of its own each, and what was wrong with its text where that was no JSON. */
  readonly seen: readonly Version[];
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** Types `npm run lab -- … --json lab.json` in a folder that is not the repository. */
export function runLab(folder: string, name: string, flags: readonly string[]): LabRun {
  const file = join(folder, name);
  const words = ['--prefix', repositoryDirectory(), 'run', 'lab', '--', ...flags, '--json', name];
  const child = spawn('npm', words, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    // What is compiled already is what is tested; the folder of whoever started this test is not the caller's.
    env: { ...process.env, ISTHMUS_SKIP_BUILD: '1', INIT_CWD: undefined },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const seen: Version[] = [];
  const watching = setInterval(() => look(file, seen), 3);
  const read = (): LabDescription => JSON.parse(readFileSync(file, 'utf8')) as LabDescription;
  const described = waitFor(async () => (seen.length > 0 ? read() : undefined), {
    what: `${name} of npm ${words.join(' ')}`,
    timeoutMs: 480_000,
    everyMs: 5,
    hopeless: () => (child.exitCode === null ? undefined : `it ended with ${child.exitCode}: ${said.slice(-2000)}`),
  });
  described.catch(() => undefined);
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await closed;
    clearInterval(watching);
  };
  const bornAt = (): number => seen[0]?.writtenAt ?? NaN;
  return { child, file, described, bornAt, read, seen, stop };
}

/** Files away each version once, and again when its text is no whole JSON. */
function look(path: string, seen: Version[]): void {
  try {
    const { ino, birthtimeMs, mtimeMs: writtenAt } = statSync(path);
    const file = `${ino} ${birthtimeMs}`;
    const fault = faultOf(readFileSync(path, 'utf8'));
    if (fault !== undefined) seen.push({ file, writtenAt, fault });
    else if (seen.at(-1)?.file !== file) seen.push({ file, writtenAt });
  } catch {
    // Not there yet.
  }
}

function faultOf(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `${(error as Error).message} in ${text.length} characters`;
  }
}

interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } },
  ];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

/** The API server as the kubeconfig says it is reached. */
export function kubeconfigOf(file: string): { readonly server: string; readonly ca: string; readonly token: string } {
  const { clusters, users } = parse(readFileSync(file, 'utf8')) as Kubeconfig;
  const { server, 'certificate-authority-data': data } = clusters[0].cluster;
  return { server, ca: Buffer.from(data, 'base64').toString('utf8'), token: users[0].user.token };
}

/** A client from outside of the lab. */
export function apiOf({ kubeconfig }: ClusterDescription): LabApi {
  const { server, ca, token } = kubeconfigOf(kubeconfig);
  const { hostname, port } = new URL(server);
  return new LabApi({ host: hostname, port: Number(port), ca, token });
}

/** A command in the cluster's network. */
export function enter(cluster: ClusterDescription, ...command: readonly string[]): Promise<CommandResult> {
  return runCommand([...cluster.enter, ...command], { timeoutMs: 60_000 });
}

/** curl in the cluster's network, which trusts that authority alone. */
export async function fetchFrom(
  cluster: ClusterDescription,
  ca: string,
  url: string,
  ...flags: readonly string[]
): Promise<{ readonly status: number; readonly body: string; readonly complaint: string }> {
  const command = ['curl', '-sS', '--max-time', '25', '--cacert', ca, '-w', '\n%{http_code}', ...flags, url];
  const { stdout, stderr } = await enter(cluster, ...command);
  const cut = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(cut + 1)), body: stdout.slice(0, cut), complaint: stderr.trim() };
}

/** Command line and program file of a process as the caller sees it; undefined when there is none. */
export function processOf(pid: number): { readonly words: readonly string[]; readonly program: string } | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return { words, program: readlinkSync(`/proc/${pid}/exe`).split('/').at(-1) ?? '' };
  } catch {
    return undefined;
  }
}

const kinds = ['net', 'mnt', 'pid'] as const;

/** Namespaces held open: as soon as one is gone its number is another one's, of another suite's lab perhaps. */
export interface HeldNamespaces {
  readonly numbers: ReadonlySet<string>;
  letGo(): void;
}

/** Namespaces of these processes, but those that the caller is in itself. */
export function namespacesOf(pids: readonly number[]): HeldNamespaces {
  const own = new Set(kinds.map((kind) => namespace('self', kind)));
  const held = new Map<string, number>();
  for (const pid of pids)
    for (const kind of kinds) {
      const file = opened(`/proc/${pid}/ns/${kind}`);
      if (file === undefined) continue;
      const number = readlinkSync(`/proc/self/fd/${file}`);
      if (own.has(number) || held.has(number)) closeSync(file);
      else held.set(number, file);
    }
  return {
    numbers: new Set(held.keys()),
    letGo: () => {
      for (const file of held.values()) closeSync(file);
    },
  };
}

/** Undefined where the process has ended. */
function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

/** Living processes in any of these namespaces, or with one of these texts in their command line. */
export function survivors(namespaces: ReadonlySet<string>, texts: readonly string[]): readonly string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      const words = processOf(Number(pid))?.words.join(' ') ?? '';
      const lives = kinds.some((kind) => namespaces.has(namespace(pid, kind)));
      return lives || texts.some((text) => words.includes(text)) ? [`${pid} ${words}`] : [];
    });
}

function namespace(pid: string, kind: (typeof kinds)[number]): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return '';
  }
}
