import { describe, expect, it } from '@jest/globals';
import { asContainer, containerScript, insideContainer } from './container-process.js';
import type { ContainerLaunch } from './container-process.js';

const launch: ContainerLaunch = {
  directory: '/d',
  root: '/d/root',
  fstab: '',
  readOnlyRoot: true,
  identity: { uid: 1337, gid: 1337, groups: [], capabilities: [], noNewPrivileges: true },
  environment: { A: "it's" },
  workingDir: '/w',
  command: ['run', 'two words'],
  sandboxPid: 7,
  startedFile: '/m/x.started',
  exitedFile: '/m/x.exited',
  logFile: '/d/app.log',
};

describe('process of a container', () => {
  it('runs with its own environment, folder, user and rights', () => {
    expect(asContainer(launch).join(' ')).toBe(
      "/usr/bin/env -i -C /w A=it's /usr/bin/setpriv --reuid=1337 --regid=1337 --clear-groups --inh-caps=-all " +
        '--bounding-set -all --no-new-privs --',
    );
    expect(insideContainer(9, ['ls']).join(' ')).toBe(
      'nsenter --target 9 --mount --uts --ipc --net --pid --root --wd -- ls',
    );
  });

  it('mounts its root, leaves marks of start and end, and ends with the code of the command', () => {
    const script = containerScript(launch, '/d/fstab');
    const order = [
      'mount --all --fstab /d/fstab',
      'remount,bind,ro /d/root',
      'chroot /d/root',
      '3>/m/x.started',
      'end $?',
    ];
    expect(order.map((part) => script.indexOf(part)).every((at, index, all) => at > (all[index - 1] ?? 0))).toBe(true);
    expect(script).toContain(`'A=it'\\''s'`);
    expect(script).toContain(`run 'two words'`);
  });
});
