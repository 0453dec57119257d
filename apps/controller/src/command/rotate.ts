import type { ConfigMap } from '#istio-api';
import { NotFoundError, pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { annotations, names } from '#model';
import { readGatewayWish } from '#protocol';
import { until } from './context.js';
import type { CommandContext } from './context.js';

/** What can be replaced by asking for it. */
export const rotations = ['signing-key', 'root', 'door-certificate', 'gateway-addresses'] as const;
export type Rotation = (typeof rotations)[number];

const annotationOf: Readonly<Record<Rotation, string>> = {
  'signing-key': annotations.rotateSigningKey,
  root: annotations.rotateRoot,
  'door-certificate': annotations.rotateDoorCertificate,
  'gateway-addresses': annotations.gatewayAddresses,
};

/** What is to be replaced, and the text of its annotation; empty = the annotation is taken away. */
export interface RotationWish {
  readonly what: Rotation;
  readonly request: string;
}

/**
 * Reads what was typed. Of gateways the annotation says which addresses; of the others it is new each time, so `now` does.
 * @throws Error with what is allowed
 */
export function rotationWish(
  text: string,
  { to, withdraw = false }: { readonly to?: string | undefined; readonly withdraw?: boolean | undefined },
  now: number,
): RotationWish {
  const what = rotations.find((each) => each === text);
  if (what === undefined) throw new Error(`trust rotate ${text}: give one of ${rotations.join(', ')}`);
  if (what !== 'gateway-addresses') {
    if (to === undefined && !withdraw) return { what, request: new Date(now).toISOString() };
    throw new Error(`trust rotate ${what}: --to and --withdraw are for gateway-addresses alone; leave them out`);
  }
  if ((to === undefined) !== withdraw)
    throw new Error(
      'trust rotate gateway-addresses: give --to host:port[,host:port], or --withdraw to go back to what the chart says or the gateway’s Service shows',
    );
  if (to === undefined) return { what, request: '' };
  const read = readGatewayWish(to, '--to');
  if (!read.ok) throw new Error(read.fault);
  return { what, request: read.addresses.join(',') };
}

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
  { what, request }: RotationWish,
  deadline?: number,
  extendable = false,
): Promise<void> {
  const started = Date.now();
  const { report: before } = await look(context, what);
  await ask(context, annotationOf[what], request);
  context.say(
    `${what}: asked for (annotation ${annotationOf[what]}${request === '' ? ' taken away' : `=${request}`} on ConfigMap ${names.clusterConfigMap})`,
  );
  if (before?.phase === 'announced' && what !== 'gateway-addresses')
    context.say(`${what}: one is announced already; this request joins it`);
  if (deadline === undefined) return;
  let last = '';
  let end = deadline;
  await until(
    () => end,
    `${what} to be replaced`,
    async () => {
      const { line, done, next, refused } = progressOf(what, await look(context, what), request);
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
    const value = request === '' ? null : request;
    await client.patch(path, { metadata: { annotations: { [annotation]: value } } }, 'application/merge-patch+json');
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new Error(
      `ConfigMap ${namespace}/${names.clusterConfigMap}: there is none; is Isthmus installed there? See -n`,
    );
  }
}

/** How a change stands as its keeper tells it; `request` = the wish that was begun last, or has joined. */
export interface ChangeReport {
  readonly phase: string;
  readonly request?: string;
  readonly message: string;
  readonly nextChangeAt?: string;
}

/** A report and the wish as it stands now: a later one may have taken its place. */
interface Seen {
  readonly report: ChangeReport | undefined;
  readonly wish: string | undefined;
}

/** Reports that stand in a ConfigMap of their own. */
const reportedApart: Readonly<Partial<Record<Rotation, { readonly name: string; readonly key: string }>>> = {
  root: { name: names.caReportConfigMap, key: names.caRotationKey },
  'gateway-addresses': { name: names.gatewaysConfigMap, key: names.gatewaysReportKey },
};

async function look(context: CommandContext, what: Rotation): Promise<Seen> {
  const { metadata } = (await configMap(context, names.clusterConfigMap)) ?? {};
  const wish = metadata?.annotations?.[annotationOf[what]];
  const place = reportedApart[what];
  if (place !== undefined) {
    const text = (await configMap(context, place.name))?.data?.[place.key];
    return { report: text === undefined ? undefined : (JSON.parse(text) as ChangeReport), wish };
  }
  const text = metadata?.annotations?.[annotations.rotationReport] ?? '{}';
  return { report: (JSON.parse(text) as Partial<Record<Rotation, ChangeReport>>)[what], wish };
}

function configMap({ client, namespace }: CommandContext, name: string): Promise<(ConfigMap & ApiObject) | undefined> {
  return client.get<ConfigMap & ApiObject>(pathFor(resources.configMaps, { namespace, name }));
}

/** What is seen, to whoever asked by `request`: who asks while a change is announced joins it, so either wish is met by the same one. Pure. */
export function progressOf(what: Rotation, { report, wish }: Seen, request: string): Progress {
  const keeper = what === 'root' ? 'the mesh core' : 'the controller';
  if (report === undefined) {
    const foreign = 'root: this cluster’s CA is not ours (mesh.enabled is false): its owner replaces it';
    return { line: `${keeper} says nothing of it`, done: false, ...(what === 'root' ? { refused: foreign } : {}) };
  }
  const { phase, message, nextChangeAt } = report;
  const refused = refusalOf(what, { report, wish }, request);
  if (refused !== undefined) return { line: message, done: false, refused: `${what}: ${refused}` };
  const later = wish !== request && report.request === wish;
  if (report.request !== request && !later)
    return { line: `${keeper} has not taken it up yet: ${message}`, done: false };
  const line = later ? `${message}; it was asked for again meanwhile: one change serves both` : message;
  const done = phase === 'issuing' || phase === 'in use';
  if (nextChangeAt === undefined) return { line, done };
  return { line: `${line} (next step not before ${nextChangeAt})`, done, next: Date.parse(nextChangeAt) };
}

/** Why it will not be carried out. Of gateways a wish says which addresses: a later one cannot meet an earlier one. */
function refusalOf(what: Rotation, { report, wish = '' }: Seen, request: string): string | undefined {
  if (report?.phase === 'plugged-in' || report?.phase === 'given') return report.message;
  if (what !== 'gateway-addresses' || wish === request) return undefined;
  return `others were asked for meanwhile: ${wish === '' ? 'none, the annotation is gone' : wish}`;
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
