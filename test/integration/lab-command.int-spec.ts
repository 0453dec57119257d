import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryDirectory, waitFor } from '../lab/index.js';
import type { LabDescription } from '../lab/index.js';

// `npm run lab` as a command: its description, and that nothing outlives it.
jest.setTimeout(400_000);

const repository = repositoryDirectory();
const program = [join(repository, 'node_modules/node/bin/node'), join(repository, 'dist/test/lab/main.js')] as const;
const started: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), 'lab-command-'));

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function startCommand(json: string): ChildProcess {
  const child = spawn(program[0], [program[1], '--clusters', '1', '--up-to', 'clusters', '--json', json], {
    stdio: 'ignore',
  });
  started.push(child);
  return child;
}

function read(file: string): LabDescription {
  return JSON.parse(readFileSync(file, 'utf8')) as LabDescription;
}

function described(file: string): Promise<LabDescription> {
  return waitFor(async () => (existsSync(file) ? read(file) : undefined), { what: file, timeoutMs: 300_000 });
}

/** Living processes whose command line names the lab's folder. */
function processesOf(directory: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory);
    } catch {
      return false;
    }
  });
}

describe('npm run lab', () => {
  it('describes itself with real process ids and writes the file again when one changes', async () => {
    const file = join(folder, 'a.json');
    const child = startCommand(file);
    const [cluster] = (await described(file)).clusters;
    expect(cluster).toMatchObject({
      name: 'east',
      trustDomain: 'east.example',
      metadataEndpoint: 'https://10.10.1.10/metadata',
    });
    const etcd = cluster?.pids.etcd?.[0] ?? 0;
    const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    expect(commandOf(etcd)).toMatch(/^[^\0]*etcd\0--name=east\0/);
    process.kill(etcd, 'SIGKILL');
    // Until it is in its cluster's network the process is what brings it there.
    const isNext = (pid: number): boolean => pid !== etcd && /^[^\0]*etcd\0--name=east\0/.test(commandOf(pid));
    const next = await waitFor(async () => read(file).clusters[0]?.pids.etcd?.find(isNext), {
      what: 'the new id of etcd',
      timeoutMs: 60_000,
    });
    expect(next).not.toBe(etcd);
    child.kill('SIGKILL');
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('leaves no process behind after %s', async (signal) => {
    const file = join(folder, `${signal}.json`);
    const child = startCommand(file);
    const directory = join((await described(file)).clusters[0]?.kubeconfig ?? '', '../..');
    expect(processesOf(directory).length).toBeGreaterThan(5);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
    await waitFor(async () => processesOf(directory).length === 0 || undefined, {
      what: 'end of all',
      timeoutMs: 60_000,
    });
    // A killed lab can't tidy up; a later one does.
    if (signal !== 'SIGKILL') expect(existsSync(directory)).toBe(false);
    rmSync(directory, { recursive: true, force: true });
  });

  it('runs twice at once: each describes its own processes', async () => {
    const files = ['c.json', 'd.json'].map((name) => join(folder, name));
    for (const file of files) startCommand(file);
    const both = await Promise.all(files.map(described));
    const pids = both.flatMap(({ clusters }) => Object.values(clusters[0]?.pids ?? {}).flat());
    expect(both.map(({ clusters }) => clusters[0]?.pids.etcd?.length)).toEqual([1, 1]);
    expect(new Set(pids).size).toBe(pids.length);
  });

  it.each([
    ['--values', '/nope.yaml', /--values \/nope\.yaml: ENOENT/],
    ['--values', join(repository, 'LICENSE'), /--values .*LICENSE: is no YAML map|--values .*LICENSE: /],
    ['--json', '/nope/lab.json', /--json \/nope\/lab\.json: cannot be written/],
  ])('refuses %s %s before anything starts', async (flag, file, message) => {
    const child = spawn(program[0], [program[1], flag, file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    expect(await new Promise((done) => child.once('close', done))).toBe(1);
    expect(said).toMatch(message);
    expect(said.split('\n')).toHaveLength(2);
  });
});
