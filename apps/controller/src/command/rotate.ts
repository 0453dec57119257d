import type { ConfigMap } from '#istio-api';
import { NotFoundError, pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { annotations, names } from '#model';
import { until } from './context.js';
import type { CommandContext } from './context.js';

/** What can be replaced by asking for it. */
export const rotations = ['signing-key', 'root', 'door-certificate'] as const;
export type Rotation = (typeof rotations)[number];

const annotationOf: Readonly<Record<Rotation, string>> = {
  'signing-key': annotations.rotateSigningKey,
  root: annotations.rotateRoot,
  'door-certificate': annotations.rotateDoorCertificate,
};

/** How a change stands, in the words of whoever carries it out. */
interface Progress {
  readonly line: string;
  readonly done: boolean;
  /** When the next step comes at the earliest, Unix milliseconds. */
  readonly next?: number;
  /** It will not be carried out. */
  readonly refused?: string;
}

/** How long a step may take beyond its time, milliseconds. */
const graceMs = 120_000;

/**
 * Asks for a change by its annotation; with a deadline (Unix milliseconds), tells each step until the new one is in use. A deadline
 * that nobody asked for moves with the steps: a root is announced for as long as the chart says.
 */
export async function rotate(
  context: CommandContext,
  what: Rotation,
  deadline?: number,
  extendable = false,
): Promise<void> {
  const request = new Date().toISOString();
  const started = Date.now();
  await ask(context, annotationOf[what], request);
  context.say(
    `${what}: asked for (annotation ${annotationOf[what]}=${request} on ConfigMap ${names.clusterConfigMap})`,
  );
  if (deadline === undefined) return;
  let last = '';
  let end = deadline;
  await until(
    () => end,
    `${what} to be replaced`,
    async () => {
      const { line, done, next, refused } = await progressOf[what](context, request);
      if (refused !== undefined) throw new Error(refused);
      if (line !== last) context.say(`${done ? '√' : '…'} after ${seconds(started)}: ${line}`);
      last = line;
      if (extendable && next !== undefined) end = Math.max(end, next + graceMs);
      return done ? true : undefined;
    },
    () => last,
  );
  if (context.json) context.print(JSON.stringify({ rotated: what, request, milliseconds: Date.now() - started }));
}

async function ask({ client, namespace }: CommandContext, annotation: string, request: string): Promise<void> {
  const path = pathFor(resources.configMaps, { namespace, name: names.clusterConfigMap });
  try {
    await client.patch(path, { metadata: { annotations: { [annotation]: request } } }, 'application/merge-patch+json');
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new Error(
      `ConfigMap ${namespace}/${names.clusterConfigMap}: there is none; is Isthmus installed there? See -n`,
    );
  }
}

const progressOf: Readonly<Record<Rotation, (context: CommandContext, request: string) => Promise<Progress>>> = {
  'signing-key': (context, request) => controllerProgress(context, 'signing-key', request),
  root: rootProgress,
  'door-certificate': (context, request) => controllerProgress(context, 'door-certificate', request),
};

interface CaReport {
  readonly phase: string;
  readonly request?: string;
  readonly message: string;
  readonly nextChangeAt?: string;
}

async function rootProgress({ client, namespace }: CommandContext, request: string): Promise<Progress> {
  const found = await client.get<ConfigMap & ApiObject>(
    pathFor(resources.configMaps, { namespace, name: names.caReportConfigMap }),
  );
  const text = found?.data?.[names.caRotationKey];
  if (text === undefined)
    return {
      line: 'the mesh core says nothing of its CA',
      done: false,
      refused: 'root: this cluster’s CA is not ours (mesh.enabled is false): its owner replaces it',
    };
  const report = JSON.parse(text) as CaReport;
  if (report.phase === 'plugged-in') return { line: report.message, done: false, refused: `root: ${report.message}` };
  if (report.request !== request) return { line: 'the mesh core has not taken it up yet', done: false };
  const { nextChangeAt, message } = report;
  const done = report.phase === 'issuing';
  if (nextChangeAt === undefined) return { line: message, done };
  return { line: `${message} (next step not before ${nextChangeAt})`, done, next: Date.parse(nextChangeAt) };
}

async function controllerProgress(
  { client, namespace }: CommandContext,
  what: Rotation,
  request: string,
): Promise<Progress> {
  const cluster = await client.get<ConfigMap & ApiObject>(
    pathFor(resources.configMaps, { namespace, name: names.clusterConfigMap }),
  );
  const text = cluster?.metadata?.annotations?.[annotations.rotationReport] ?? '{}';
  const report = (JSON.parse(text) as Partial<Record<Rotation, CaReport>>)[what];
  if (report?.phase === 'given') return { line: report.message, done: false, refused: `${what}: ${report.message}` };
  if (report?.request !== request) return { line: 'the controller has not taken it up yet', done: false };
  return { line: report.message, done: report.phase === 'in use' };
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
