// `npm run verify`: everything CI asks, in the order a person would want to hear of it. Ends with one line of totals.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoTotals } from './demo-totals.js';
import type { Totals } from './demo-totals.js';

interface Stage {
  readonly title: string;
  readonly run: (reportFile: string) => Promise<Totals>;
}

const jestOptions = '--experimental-vm-modules --no-warnings';

/** A command that passes or fails as one. */
function command(title: string, program: string, ...args: readonly string[]): Stage {
  return {
    title,
    run: async () => ((await exitCode(program, args)) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }),
  };
}

/** One Jest project; its cases are counted one by one, a suite that could not even start counts as a failure. */
function jest(project: string, ...args: readonly string[]): Stage {
  return {
    title: `jest ${project}`,
    run: async (reportFile) => {
      const options = ['--selectProjects', project, '--json', `--outputFile=${reportFile}`, ...args];
      const code = await exitCode('jest', options, { NODE_OPTIONS: jestOptions });
      return jestTotals(reportFile, code);
    },
  };
}

function jestTotals(reportFile: string, code: number): Totals {
  try {
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Record<string, number>;
    const failed = (report['numFailedTests'] ?? 0) + (report['numRuntimeErrorTestSuites'] ?? 0);
    return { passed: report['numPassedTests'] ?? 0, failed: code !== 0 && failed === 0 ? 1 : failed };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

/** The demo's own steps are cases too: its last line is JSON. */
function demo(...args: readonly string[]): Stage {
  return {
    title: `demo ${args.join(' ')}`.trim(),
    run: async () => {
      const { code, lastLine } = await lastLineOf(process.execPath, ['dist/test/demo/main.js', '--json', ...args]);
      return demoTotals(code, lastLine);
    },
  };
}

/** The stage's process, which must not outlive this one. */
let underWay: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    if (underWay?.pid !== undefined) endWithChildren(underWay.pid);
    process.exit(143);
  });

/** Jest leaves its workers behind when it is ended: its children are asked for first. */
function endWithChildren(pid: number): void {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    process.kill(pid, 'SIGTERM');
    for (const child of children === '' ? [] : children.split(' ')) endWithChildren(Number(child));
  } catch {
    // It has ended by itself.
  }
}

function exitCode(program: string, args: readonly string[], extra: NodeJS.ProcessEnv = {}): Promise<number> {
  return new Promise((done) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...extra } });
    underWay = child;
    child.on('error', () => done(127));
    child.on('close', (code) => done(code ?? 1));
  });
}

function lastLineOf(program: string, args: readonly string[]): Promise<{ code: number; lastLine: string }> {
  return new Promise((done) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    underWay = child;
    let tail = '';
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      tail = (tail + chunk.toString()).slice(-1_000_000);
    });
    child.on('close', (code) => done({ code: code ?? 1, lastLine: tail.trimEnd().split('\n').at(-1) ?? '' }));
  });
}

const stages: readonly Stage[] = [
  command('format', 'prettier', '--check', '--log-level', 'warn', '.'),
  command('lint', 'eslint', '.'),
  command('types', process.execPath, 'node_modules/ts7/bin/tsc', '-p', 'tsconfig.json', '--noEmit'),
  command('generated files are fresh', process.execPath, 'dist/scripts/gen-crd.js', '--check'),
  jest('unit'),
  jest('architecture'),
  command('real parts (npm run setup)', process.execPath, 'dist/scripts/setup/main.js'),
  // Suites wait more than they work: two at a time (end-to-end ones took 9 minutes on two cores, 16 one by one). One that failed in its set-up
  // may leave handles open: its failure must be told, not waited for.
  jest('integration', '--maxWorkers=2', '--forceExit'),
  jest('e2e', '--maxWorkers=2', '--forceExit'),
  demo(),
  demo('multicluster'),
];

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-verify-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  let passed = 0;
  let failed = 0;
  for (const [index, stage] of stages.entries()) {
    const started = Date.now();
    console.log(`\n=== ${stage.title}`);
    const totals = await stage.run(join(folder, `${index}.json`));
    passed += totals.passed;
    failed += totals.failed;
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`=== ${stage.title}: ${totals.passed} ok, ${totals.failed} not ok, ${seconds} s`);
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

const usage = `npm run verify

Format, lint, types, unit, integration and end-to-end tests and the demos, on real parts. Takes no flags; the last line is
"N passed, N failed", and the exit code 0 only if none failed.`;
const [argument] = process.argv.slice(2);
if (argument === undefined) process.exitCode = await main();
else {
  const help = argument === '--help' || argument === '-h';
  process[help ? 'stdout' : 'stderr'].write(help ? `${usage}\n` : `${argument}: there is no such flag\n${usage}\n`);
  process.exitCode = help ? 0 : 2;
}
