// npm run lab: a lab that stays until SIGINT or SIGTERM.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parse } from 'yaml';
import { bareFacts, clusterFacts, keepDescription } from './description.js';
import type { BareFacts } from './description.js';
import type { Lab } from './lab.js';
import { parseCommandLine, usage } from './options.js';
import type { CommandLine } from './options.js';
import { startLab } from './start-lab.js';

const started = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`lab ${seconds} s  ${line}\n`);
}

/** ^C comes more than once: from the terminal, from npm and from the launcher. What follows the first must not cut the end short. */
function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve);
  });
}

/** npm changes to the repository: paths are meant from where npm was called. */
function fromCallersFolder(command: CommandLine): CommandLine {
  const absolute = (path: string): string => resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
  return {
    ...command,
    options: { ...command.options, values: (command.options.values ?? []).map(absolute) },
    ...(command.json === undefined ? {} : { json: absolute(command.json) }),
  };
}

/** Files are looked at before anything is started. @throws Error naming the flag, the file and what is wrong */
function checkFiles({ options, json }: CommandLine): void {
  for (const file of options.values ?? []) {
    const values: unknown = parseValues(file);
    if (typeof values !== 'object' || values === null || Array.isArray(values))
      throw new Error(`--values ${file}: is no YAML map; write it like charts/isthmus/values.yaml`);
  }
  if (json === undefined) return;
  try {
    accessSync(dirname(json), constants.W_OK);
    if (existsSync(json)) accessSync(json, constants.W_OK);
  } catch (error) {
    throw new Error(`--json ${json}: cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

function parseValues(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const [why = ''] = (error as Error).message.split('\n');
    throw new Error(`--values ${file}: ${why}`, { cause: error });
  }
}

async function run(command: CommandLine): Promise<void> {
  const ended = untilSignal();
  const early = new AbortController();
  const starting = startLab({ ...command.options, progress: say, signal: early.signal });
  const first = await Promise.race([starting, ended]);
  if (typeof first === 'string') {
    // Ends the builds of missing parts; the kernel ends the rest with this process.
    early.abort();
    await Promise.race([starting.catch(() => undefined), pause(500)]);
    process.exit(130);
  }
  const over = new AbortController();
  try {
    await report(first, command, over.signal);
    const signal = await ended;
    say(`${signal}: ending all`);
  } finally {
    over.abort();
    await first.stop();
  }
  say('ended');
}

async function report(lab: Lab, command: CommandLine, signal: AbortSignal): Promise<void> {
  const bare = command.options.upTo === 'clusters';
  const facts: readonly BareFacts[] = bare
    ? lab.clusters.map(bareFacts)
    : await Promise.all(lab.clusters.map((cluster) => clusterFacts(cluster)));
  if (command.json !== undefined) keepDescription(lab, facts, command.json, signal);
  for (const cluster of lab.clusters) {
    say(`${cluster.name}: kubectl --kubeconfig ${cluster.files.kubeconfig} get pods -A`);
    say(`${cluster.name}: ${cluster.enter.join(' ')} sh    # a shell in its network`);
  }
  const example = ['east', 'demo', '<pod>', '--', 'call-http', 'http://echo.demo.svc.west.example/'];
  say(`in a pod: ${[...lab.execCommand, ...example].join(' ')}`);
  say('ready; ^C ends it');
}

try {
  const command = fromCallersFolder(parseCommandLine(process.argv.slice(2)));
  if (!command.help) checkFiles(command);
  if (command.help) process.stdout.write(`${usage}\n`);
  else await run(command);
  process.exit(0);
} catch (error) {
  process.stderr.write(`lab: ${(error as Error).message}\n`);
  process.exit(1);
}
