import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ApiObject, CallResult, Lab, LabCluster, RunningLoad } from '../lab/index.js';
import { eventually, patienceMs } from './story.js';
import type { CertificateFiles } from './certificates.js';

export const publicLabel = 'federation.istio.deckhouse.io/public-service';
export const onlyForLabel = 'isthmus-demo/only-for';

const answerMs = 15_000;
/** Of a command that makes one call: to begin it takes a while too. */
const callMs = 40_000;

/** Two clusters as the demo talks about them: A calls, B serves. */
export interface Scene {
  readonly lab: Lab;
  readonly a: LabCluster;
  readonly b: LabCluster;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface Federation extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly peer?: {
      readonly keys?: readonly { readonly kid: string; readonly state: string }[];
      readonly roots?: readonly { readonly fingerprint: string }[];
    };
    readonly gateways?: { readonly addresses?: readonly { readonly address: string }[] };
  };
}

export async function federation(cluster: LabCluster, name: string): Promise<Federation | undefined> {
  return cluster.api.get<Federation>(`/apis/isthmus.dev/v1alpha1/istiofederations/${name}`);
}

export async function condition(cluster: LabCluster, name: string, type: string): Promise<Condition | undefined> {
  return (await federation(cluster, name))?.status?.conditions?.find((each) => each.type === type);
}

/** Sets or (null) removes labels of a Service. */
export async function label(
  cluster: LabCluster,
  service: string,
  labels: Readonly<Record<string, string | null>>,
): Promise<void> {
  await cluster.api.patch(`/api/v1/namespaces/demo/services/${service}`, { metadata: { labels } });
}

export async function serviceEntryHosts(cluster: LabCluster): Promise<readonly string[]> {
  const list = await cluster.api.list<ApiObject & { readonly spec?: { readonly hosts?: readonly string[] } }>(
    '/apis/networking.istio.io/v1/namespaces/isthmus-imports/serviceentries',
  );
  return list.items.flatMap(({ spec }) => spec?.hosts ?? []);
}

/** What cluster-scoped objects' Events tell. */
export interface ToldEvent extends ApiObject {
  readonly reason?: string;
  readonly note?: string;
  readonly series?: { readonly count?: number };
}

/** Events on peer resources: those of cluster-scoped objects stand in namespace `default`. */
export async function peerEvents({ api }: LabCluster): Promise<readonly ToldEvent[]> {
  return (await api.list<ToldEvent>('/apis/events.k8s.io/v1/namespaces/default/events')).items;
}

/** The command looks once a second: of what stood there so long before its end it must have told. */
const lastLookMs = 4_000;

/**
 * That `trust revoke` told what the door closed; of a door that took longer than the command waits for it, that the door's Event tells it.
 * @throws Error where neither does, or where the Event was there and the command did not tell it
 */
export async function closedAtDoor(cluster: LabCluster, told: string, wanted: RegExp): Promise<void> {
  if (wanted.test(told)) return;
  const endedAt = Date.now();
  const created = await eventually('the door to tell what it closed', patienceMs, async () => {
    const fitting = (await peerEvents(cluster)).filter(({ note = '' }) => wanted.test(note));
    return fitting
      .map(({ metadata }) => metadata.creationTimestamp ?? '')
      .sort()
      .at(-1);
  });
  // Times of creation are whole seconds, cut off.
  if (Date.parse(created) + 1_000 < endedAt - lastLookMs)
    throw new Error(`its Event was there, and the command did not tell it (${wanted.source}): ${told}`);
}

type CallTool = 'call-http' | 'call-grpc' | 'call-tcp';

/** One call out of the client pod of a cluster, by a plain program that knows nothing of meshes. */
export function call(
  lab: Lab,
  cluster: LabCluster,
  tool: CallTool,
  target: string,
  ...flags: readonly string[]
): Promise<CallResult> {
  return callFrom(lab, cluster, 'client', [tool, ...flags, target]);
}

/** Waits until such a call is answered. */
export async function untilAnswered(lab: Lab, cluster: LabCluster, tool: CallTool, target: string): Promise<void> {
  await eventually(`an answer by ${target} in ${cluster.name}`, patienceMs, async () => {
    const result = await call(lab, cluster, tool, target);
    if (result.ok) return true;
    throw new Error(refusalOf(result));
  });
}

/** One call, given as its command, out of any pod of namespace `demo`, by its name or its Deployment's. */
export async function callFrom(
  lab: Lab,
  cluster: LabCluster,
  pod: string,
  [tool, ...words]: readonly [CallTool, ...string[]],
): Promise<CallResult> {
  const command = [tool, '--timeout', String(answerMs), ...words];
  const { stdout, stderr } = await lab.exec(cluster.name, 'demo', pod, command, { timeoutMs: callMs });
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (line === '') throw new Error(`${tool} said nothing: ${stderr.trim().slice(-300)}`);
  return JSON.parse(line) as CallResult;
}

/** What a call that was not answered tells a person. */
export function refusalOf({ error, status }: CallResult): string {
  return status === undefined ? inWords(error) : `refused with HTTP ${status}`;
}

/** An error of Node's in words, where it is one that a refusal has. */
export function inWords(error = 'refused without a word'): string {
  return refusals[/\bE[A-Z]+\b/.exec(error)?.[0] ?? ''] ?? error;
}

const refusals: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name is not known here',
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection is cut',
};

export interface GatewayAnswer {
  readonly status?: number;
  /** A TLS alert, a reset or a close. */
  readonly refused?: string;
  /** Nothing came in time: that shows no refusal. */
  readonly silent?: string;
  readonly answers: number;
  readonly body?: string;
}

/** Neither an answer nor silence. @throws Error with what came instead of a refusal by an alert, a reset or a close */
export function mustRefuse(what: string, { status, refused, silent }: GatewayAnswer): string {
  if (status !== undefined) throw new Error(`${what}: answered ${status}`);
  // Nobody there refuses everything.
  if (refused === undefined || /ECONNREFUSED|UNREACH|TIMEDOUT/.test(refused))
    throw new Error(`${what}: ${silent ?? refused ?? 'nothing was said'}; an alert or a close was expected`);
  return refused;
}

/** First external address of a cluster's east-west gateway. */
export async function gatewayAddress(cluster: LabCluster): Promise<string> {
  const service = await cluster.api.get<
    ApiObject & {
      readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
    }
  >('/api/v1/namespaces/isthmus-system/services/isthmus-eastwestgateway');
  return `${service?.status?.loadBalancer?.ingress?.[0]?.ip ?? ''}:15443`;
}

function gatewayCommand(
  gateway: string,
  files: CertificateFiles,
  host: string,
  flags: readonly string[],
): readonly string[] {
  const program = join(process.cwd(), 'dist/test/demo/gateway-call.js');
  return [
    process.execPath,
    program,
    '--gateway',
    gateway,
    '--sni',
    `outbound_.80_._.${host}`,
    '--host',
    host,
    '--cert',
    files.cert,
    '--key',
    files.key,
    ...flags,
  ];
}

/** One request straight to a gateway from inside another cluster's network, with any certificate. */
export async function callGateway(
  scene: Scene,
  gateway: string,
  files: CertificateFiles,
  host: string,
): Promise<GatewayAnswer> {
  const { stdout, stderr } = await scene.lab.runIn(scene.a.name, gatewayCommand(gateway, files, host, []), {
    timeoutMs: callMs,
  });
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (line === '') throw new Error(`the gateway call said nothing: ${stderr.trim().slice(-300)}`);
  return JSON.parse(line) as GatewayAnswer;
}

/**
 * A connection that goes on asking until it is refused; `end` resolves with its last answer. Resolves after a few answers: one refused
 * before that is opened again, since a gateway whose control plane has just come back asks it for news only when Envoy's back-off is over.
 */
export async function holdConnection(
  scene: Scene,
  gateway: string,
  files: CertificateFiles,
  host: string,
): Promise<{ readonly end: Promise<GatewayAnswer> }> {
  return eventually('a connection that is answered', patienceMs, async () => {
    const held = hold(scene, gatewayCommand(gateway, files, host, ['--hold']));
    const refused = await Promise.race([held.end, held.answered]);
    if (refused !== undefined) throw new Error(JSON.stringify(refused).slice(0, 300));
    return { end: held.end };
  });
}

/** `answered` resolves after four answers, `end` (with the last) when no more come. */
function hold(
  { a }: Scene,
  command: readonly string[],
): { readonly answered: Promise<undefined>; readonly end: Promise<GatewayAnswer> } {
  const [program = '', ...args] = [...a.enter, ...command];
  const child: ChildProcessWithoutNullStreams = spawn(program, args);
  const lines = createInterface({ input: child.stdout });
  child.stderr.resume();
  let last: GatewayAnswer = { answers: 0 };
  const answered = new Promise<undefined>((done) =>
    lines.on('line', (line) => {
      last = JSON.parse(line) as GatewayAnswer;
      if (last.answers > 3) done(undefined);
    }),
  );
  return { answered, end: new Promise((done) => child.once('close', () => done(last))) };
}

/** No machine stalls so long: a call that took longer was kept waiting by what it calls. */
const slowMs = 20_000;

/** What a load's report comes to, as a text. @throws Error with the first failure, or where a call hung */
export function noFailures({ calls, failures, firstFailures, max }: Awaited<ReturnType<RunningLoad['stop']>>): string {
  if (failures > 0) throw new Error(`${failures} of ${calls} calls failed: ${JSON.stringify(firstFailures[0])}`);
  if (max > slowMs) throw new Error(`one of ${calls} calls took ${max} ms`);
  return `${calls} calls, 0 failed`;
}
