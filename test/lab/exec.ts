import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { readlinkSync } from 'node:fs';
import { insideContainer } from './pod/container-process.js';
import { pidSeenFromHere } from './pod/processes.js';
import { readRecords } from './node-agent/pod-record.js';
import type { PodRecord } from './node-agent/pod-record.js';

const usage =
  'usage: exec <lab folder> <cluster> <namespace> <pod, or what its name begins with> [-c container] -- <command> [args]';

interface Wish {
  readonly state: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string | undefined;
  readonly command: readonly string[];
}

function wishFrom(args: readonly string[]): Wish {
  const dashes = args.indexOf('--');
  const [lab, cluster, namespace, pod, flag, container] = args.slice(0, dashes < 0 ? 0 : dashes);
  const command = args.slice(dashes + 1);
  if (lab === undefined || cluster === undefined || namespace === undefined || pod === undefined)
    throw new Error(usage);
  if ((flag !== undefined && (flag !== '-c' || container === undefined)) || command.length === 0)
    throw new Error(usage);
  return { state: join(lab, cluster, 'node'), namespace, pod, container, command };
}

/** The pod of this name, or the first ready one whose name begins so (a Deployment's), or the first at all. */
function findPod({ state, namespace, pod }: Wish): PodRecord {
  const pods = readRecords(state).filter((record) => record.namespace === namespace);
  const exact = pods.find(({ name }) => name === pod);
  const begun = pods.filter(({ name, killAt }) => name.startsWith(`${pod}-`) && killAt === undefined);
  const found = exact ?? begun.find(({ ready }) => ready) ?? begun[0];
  if (found !== undefined) return found;
  const known = pods.map(({ name }) => name).join(', ');
  throw new Error(`no pod ${pod} in namespace ${namespace} (there: ${known === '' ? 'none' : known})`);
}

/** Command line that runs the wish in the pod's container, from the caller's own namespaces, inside the lab or outside. */
function commandFor(wish: Wish): readonly string[] {
  const record = findPod(wish);
  const name = wish.container ?? record.mainContainer;
  const container = record.containers[name];
  if (container?.process === undefined || container.ended !== undefined) {
    throw new Error(`container ${name} of pod ${record.name} is not running`);
  }
  const pid = pidSeenFromHere(container.process);
  if (pid === undefined)
    throw new Error(`the process of container ${name} of pod ${record.name} can't be seen from here`);
  const [program = '', ...rest] = insideContainer(pid, [...container.prefix, ...wish.command]);
  // A lab of an ordinary user has a user namespace of its own, which is to be entered first.
  const sameUser = readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync('/proc/self/ns/user');
  return sameUser ? [program, ...rest] : [program, '--user', ...rest];
}

function main(): void {
  const [program = '', ...args] = commandFor(wishFrom(process.argv.slice(2)));
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`exec: ${error.message}\n`);
    process.exit(126);
  });
  child.on('close', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}

try {
  main();
} catch (error) {
  process.stderr.write(`exec: ${(error as Error).message}\n`);
  process.exit(125);
}
