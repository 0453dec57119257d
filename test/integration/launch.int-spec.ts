import { afterAll, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { waitFor } from '../harness/child.js';
import { repositoryDirectory } from '../lab/index.js';

// The entry of every npm script, in a bare clone of its own whose `npm ci` takes as long as this test wants.
const clone = mkdtempSync(join(tmpdir(), 'isthmus-launch-'));
const go = join(clone, 'go');
const pidFile = join(clone, 'pid');
const started: number[] = [];

afterAll(() => {
  for (const pid of started.filter(isAlive)) process.kill(pid, 'SIGKILL');
  rmSync(clone, { recursive: true, force: true });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function layOutClone(): void {
  for (const folder of ['scripts', 'bin', 'node_modules/node/bin']) mkdirSync(join(clone, folder), { recursive: true });
  copyFileSync(join(repositoryDirectory(), 'scripts/launch.mjs'), join(clone, 'scripts/launch.mjs'));
  writeFileSync(join(clone, 'package-lock.json'), '{}');
  const install = `until [ -e ${go} ]; do sleep 0.1; done; ln -s ${process.execPath} node_modules/node/bin/node`;
  writeFileSync(join(clone, 'bin/npm'), `#!/bin/sh\n${install}\n`, { mode: 0o755 });
}

it('a program whose npm was killed while the tree was being built ends', async () => {
  layOutClone();
  const program = `require('node:fs').writeFileSync('${pidFile}', String(process.pid)); setInterval(() => 0, 1000)`;
  // In place of npm: a shell that waits for its child.
  const npm = spawn(
    'sh',
    ['-c', '"$@" & wait', 'sh', process.execPath, 'scripts/launch.mjs', '--installed', '-e', program],
    {
      cwd: clone,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        PATH: `${join(clone, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
        NODE_OPTIONS: '',
        ISTHMUS_SKIP_BUILD: '',
        npm_lifecycle_event: 'lab',
      },
    },
  );
  let said = '';
  npm.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  await waitFor('npm ci', () => (said.includes('npm ci') ? true : undefined));
  npm.kill('SIGKILL');
  await new Promise((done) => npm.once('exit', done));
  writeFileSync(go, '');
  const pid = await waitFor('the program', () => {
    const text = existsSync(pidFile) ? readFileSync(pidFile, 'utf8') : '';
    return text === '' ? undefined : Number(text);
  });
  started.push(pid);
  await waitFor('its end', () => (isAlive(pid) ? undefined : true));
}, 100_000);
