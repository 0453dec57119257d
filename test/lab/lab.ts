import { execFile, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureParts, ensureSystemTools } from '../../scripts/setup/index.js';
import type { Progress } from '../../scripts/setup/index.js';
import { LabApi } from './api.js';
import { filesOf } from './control-plane.js';
import type { ClusterFiles } from './control-plane.js';
import { writeImages } from './images.js';
import { isRoot, Machine, reserveLocalPort } from './machine.js';
import type { LabOptions } from './options.js';
import { clusterPlan, labParts } from './plan.js';
import type { ClusterPlan, LabPlan } from './plan.js';
import { databaseUrl } from './postgres.js';
import { commandLine, descendants, mountsFrom, productPart, readProcessTable } from './process-table.js';

/** Processes that have ids in the lab's description. */
export const describedProcesses = [
  'controller',
  'metadata-api',
  'mesh',
  'gateway',
  'postgres',
  'etcd',
  'kube-apiserver',
  'node-agent',
] as const;

export type ProcessName =
  (typeof describedProcesses)[number] | 'kube-controller-manager' | 'kube-scheduler' | 'kube-proxy' | 'coredns';
export type ProcessIds = Readonly<Partial<Record<ProcessName, readonly number[]>>>;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly container?: string;
}

/** One cluster of a running lab. */
export interface LabCluster {
  readonly name: string;
  readonly plan: ClusterPlan;
  readonly files: ClusterFiles;
  readonly api: LabApi;
  readonly databaseURL: string;
  /** Command line to which a command is appended to run it in this cluster's network. */
  readonly enter: readonly string[];
  readonly metadataEndpoint: string;
  /** Log of a process of the control plane (`etcd`, `node-agent` …). */
  logFile(process: string): string;
}

/** A running lab. */
export interface Lab {
  readonly directory: string;
  readonly plan: LabPlan;
  readonly clusters: readonly LabCluster[];
  /** Command line for a command in a pod: cluster, namespace, pod, `--` and the command are appended. */
  readonly execCommand: readonly string[];
  cluster(name: string): LabCluster;
  /** Process ids as seen by this process. */
  pids(cluster: string): ProcessIds;
  /** The same for all clusters, by their names, from one look at the machine. */
  allPids(): ReadonlyMap<string, ProcessIds>;
  /** Sends SIGKILL (or another signal) to every process of that name, or to the one at `index`. @throws when there is none */
  kill(
    cluster: string,
    process: ProcessName,
    how?: { readonly signal?: NodeJS.Signals; readonly index?: number },
  ): void;
  exec(
    cluster: string,
    namespace: string,
    pod: string,
    command: readonly string[],
    options?: CommandOptions,
  ): Promise<CommandResult>;
  /** Starts a command in a pod; its standard streams are pipes. */
  spawnIn(cluster: string, namespace: string, pod: string, command: readonly string[]): ChildProcessWithoutNullStreams;
  /** Runs a command in the network of a cluster. */
  runIn(cluster: string, command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  onChange(listener: () => void): void;
  /** Ends all processes and removes the lab's folder, unless its files are to be kept (ISTHMUS_LAB_KEEP=1 keeps them too). */
  stop(how?: { readonly keepFiles?: boolean }): Promise<void>;
}

/** Folder of the repository, whether this file runs compiled or from its source. */
export function repositoryDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package-lock.json'))) {
    if (directory === dirname(directory))
      throw new Error('the lab runs from the repository: package-lock.json not found');
    directory = dirname(directory);
  }
  return directory;
}

/** Starts the clusters alone: control planes, nodes, networks. */
export async function startClusters(options: LabOptions): Promise<Lab> {
  const say = options.progress ?? ((): void => undefined);
  const onProgress = ({ step, text, seconds }: Progress): void => say(`${step}: ${text} (${seconds} s)`);
  const { signal } = options;
  await ensureSystemTools({ onProgress, signal });
  const parts = await ensureParts(labParts, { onProgress, signal });
  removeDeadLabs();
  const directory = mkdtempSync(join(tmpdir(), `isthmus-lab-${process.pid}-`));
  // Containers run as users of their own: they must get through to what is theirs below.
  chmodSync(directory, 0o711);
  const repository = repositoryDirectory();
  const servers = new Map<string, Server>();
  const clusters: ClusterPlan[] = [];
  for (let index = 1; index <= (options.clusters ?? 2); index += 1) {
    const { port, server } = await reserveLocalPort();
    const plan = clusterPlan(index, directory, port, options);
    clusters.push(plan);
    servers.set(plan.name, server);
  }
  const node = join(repository, 'node_modules/node/bin/node');
  const plan = { directory, clusters, parts, repository, node };
  writeImages(plan);
  const lab = new RunningLab(plan, say);
  await lab.start(servers);
  return lab;
}

const keptMs = 3_600_000;

/** Folders of labs whose holder was killed before it could remove them, and of labs that failed, an hour after the last change. */
function removeDeadLabs(): void {
  for (const name of readdirSync(tmpdir())) {
    const holder = /^isthmus-lab-(\d+)-/.exec(name)?.[1];
    if (holder === undefined || existsSync(`/proc/${holder}`)) continue;
    const directory = join(tmpdir(), name);
    try {
      const { mtimeMs } = statSync(join(directory, 'lab.log'));
      if (Date.now() - mtimeMs > keptMs) rmSync(directory, { recursive: true, force: true });
    } catch {
      // Another user's, theirs to remove, or removed at this moment.
    }
  }
}

class RunningLab implements Lab {
  private readonly machine: Machine;
  private readonly secret = randomBytes(16).toString('hex');
  private readonly listeners: (() => void)[] = [];
  private started: readonly LabCluster[] = [];

  constructor(
    readonly plan: LabPlan,
    private readonly say: (line: string) => void,
  ) {
    this.machine = new Machine(plan, say, () => {
      for (const listener of this.listeners) listener();
    });
  }

  async start(servers: ReadonlyMap<string, Server>): Promise<void> {
    try {
      await this.machine.start(this.secret, servers);
    } catch (error) {
      this.say(`logs of the failed lab are kept in ${this.directory}`);
      throw error;
    }
    this.started = this.plan.clusters.map((plan) => this.clusterOf(plan));
  }

  get directory(): string {
    return this.plan.directory;
  }

  get clusters(): readonly LabCluster[] {
    return this.started;
  }

  get execCommand(): readonly string[] {
    const { node, repository, directory } = this.plan;
    return [node, join(repository, 'dist/test/lab/exec.js'), directory];
  }

  cluster(name: string): LabCluster {
    const cluster = this.clusters.find((candidate) => candidate.name === name);
    if (cluster !== undefined) return cluster;
    throw new Error(`no cluster "${name}" in this lab: ${this.clusters.map((known) => known.name).join(', ')}`);
  }

  pids(cluster: string): ProcessIds {
    this.cluster(cluster);
    return this.allPids().get(cluster) ?? {};
  }

  allPids(): ReadonlyMap<string, ProcessIds> {
    const table = readProcessTable();
    const found = new Map<string, Partial<Record<ProcessName, number[]>>>(this.clusters.map(({ name }) => [name, {}]));
    const file = (cluster: string, name: ProcessName, pid: number): void => {
      const ids = found.get(cluster);
      if (ids !== undefined) (ids[name] ??= []).push(pid);
    };
    for (const { name, pid, cluster } of this.machine.supervised(table)) {
      if (name !== 'anchor') file(cluster, name as ProcessName, pid);
    }
    for (const { pid, parent } of descendants(table, this.machine.pid)) {
      const part = productPart(commandLine(pid), commandLine(parent));
      const owner = part === undefined ? undefined : this.clusters.find(({ plan }) => mountsFrom(pid, plan.directory));
      if (part !== undefined && owner !== undefined) file(owner.name, part, pid);
    }
    return found;
  }

  kill(cluster: string, process: ProcessName, how: { signal?: NodeJS.Signals; index?: number } = {}): void {
    const all = this.pids(cluster)[process] ?? [];
    const chosen = how.index === undefined ? all : all.slice(how.index, how.index + 1);
    if (chosen.length === 0) throw new Error(`no process ${process} in cluster ${cluster} (found ${all.length})`);
    for (const pid of chosen) globalThis.process.kill(pid, how.signal ?? 'SIGKILL');
  }

  exec(
    cluster: string,
    namespace: string,
    pod: string,
    command: readonly string[],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    const container = options.container === undefined ? [] : ['-c', options.container];
    return runCommand([...this.execCommand, cluster, namespace, pod, ...container, '--', ...command], options);
  }

  spawnIn(cluster: string, namespace: string, pod: string, command: readonly string[]): ChildProcessWithoutNullStreams {
    const [program = '', ...args] = [...this.execCommand, cluster, namespace, pod, '--', ...command];
    return spawn(program, args, { stdio: 'pipe' });
  }

  runIn(cluster: string, command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand([...this.cluster(cluster).enter, ...command], options);
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  async stop(how: { keepFiles?: boolean } = {}): Promise<void> {
    for (const { api } of this.clusters) api.close();
    const remove = how.keepFiles !== true && process.env['ISTHMUS_LAB_KEEP'] !== '1';
    await this.machine.stop(remove);
    if (remove) rmSync(this.directory, { recursive: true, force: true });
  }

  private clusterOf(plan: ClusterPlan): LabCluster {
    const files = filesOf(plan);
    const token = readFileSync(files.adminToken, 'utf8');
    const anchor = this.machine.supervised().find(({ cluster, name }) => cluster === plan.name && name === 'anchor');
    if (anchor === undefined) throw new Error(`cluster ${plan.name} has lost its network namespace`);
    const user = isRoot() ? [] : ['--user', '--preserve-credentials'];
    return {
      name: plan.name,
      plan,
      files,
      api: new LabApi({ host: '127.0.0.1', port: plan.localApiPort, ca: readFileSync(files.apiCa, 'utf8'), token }),
      databaseURL: databaseUrl(plan, this.secret),
      enter: ['nsenter', `--target=${anchor.pid}`, ...user, '--net', '--'],
      metadataEndpoint: `https://${plan.doorAddress}/metadata`,
      logFile: (process) => join(plan.directory, 'logs', `${process}.log`),
    };
  }
}

/** Runs a command to its end; a non-zero exit code is an answer, not an error. */
export function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      { maxBuffer: 64 << 20, timeout: options.timeoutMs ?? 60_000 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number' && error.signal == null) reject(error);
        else resolve({ code: error === null ? 0 : Number(error.code ?? 128), stdout, stderr });
      },
    );
    child.stdin?.end(options.input);
  });
}
