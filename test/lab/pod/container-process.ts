import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from './environment.js';
import { setpriv } from './identity.js';
import type { Identity } from './identity.js';
import { commandLine, quote } from './shell.js';

/** A container that is about to run. */
export interface ContainerLaunch {
  /** Folder of this container; its root and scripts are in it. */
  readonly directory: string;
  readonly root: string;
  readonly fstab: string;
  readonly readOnlyRoot: boolean;
  readonly identity: Identity;
  readonly environment: Environment;
  readonly workingDir: string;
  readonly command: readonly string[];
  readonly sandboxPid: number;
  readonly startedFile: string;
  readonly exitedFile: string;
  readonly logFile: string;
}

/** Words in front of a command that runs it, inside a container's namespaces, as the container's own process runs. */
export function asContainer(
  launch: Pick<ContainerLaunch, 'identity' | 'environment' | 'workingDir'>,
): readonly string[] {
  const variables = Object.entries(launch.environment).map(([name, value]) => `${name}=${value}`);
  return ['/usr/bin/env', '-i', '-C', launch.workingDir, ...variables, ...setpriv(launch.identity)];
}

const leaveMark = 'echo "$0" >&3; exec 3>&-; exec "$@"';

/**
 * Script of a container's first process: it mounts the root, runs the command in it as a child and leaves the exit code in a
 * file. It is process 1 of the container's own process namespace, so whatever the command leaves behind ends with it.
 */
export function containerScript(launch: ContainerLaunch, fstabFile: string): string {
  const command = commandLine([...asContainer(launch), ...launch.command]);
  const readOnly = launch.readOnlyRoot ? [`mount -o remount,bind,ro ${quote(launch.root)} || end 128`] : [];
  return [
    `trap : TERM INT HUP`,
    'end() {',
    `  echo "$1 $(date +%s)" >${quote(launch.exitedFile)}`,
    '  exit "$1"',
    '}',
    `mount --all --fstab ${quote(fstabFile)} || end 128`,
    ...readOnly,
    '(',
    '  read -r pid rest </proc/self/stat',
    // The mark is left from inside the root: whoever sees it may join the process and finds itself in the right place.
    `  exec chroot ${quote(launch.root)} /bin/sh -c ${quote(leaveMark)} "$pid" ${command} 3>${quote(launch.startedFile)}`,
    ')',
    'end $?',
    '',
  ].join('\n');
}

/** Starts a container's processes, independent of the agent's own life. `onEnd` is called if the agent lives to see it. */
export function startContainer(launch: ContainerLaunch, onEnd: () => void): ChildProcess {
  const script = join(launch.directory, 'run.sh');
  const fstabFile = join(launch.directory, 'fstab');
  writeFileSync(fstabFile, launch.fstab);
  writeFileSync(script, containerScript(launch, fstabFile), { mode: 0o600 });
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child=KILL'];
  const sandbox = ['--target', String(launch.sandboxPid), '--net', '--uts', '--ipc'];
  const log = openSync(launch.logFile, 'a');
  const child = spawn('nsenter', [...sandbox, '--', 'unshare', ...namespaces, 'sh', script], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  child.on('error', onEnd);
  child.on('exit', onEnd);
  child.unref();
  return child;
}

/** Command line that runs words inside a container whose process has this id here. */
export function insideContainer(pid: number, words: readonly string[]): readonly string[] {
  const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--root', '--wd'];
  return ['nsenter', '--target', String(pid), ...namespaces, '--', ...words];
}
