import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

/** What one call came to. */
export interface CallResult {
  readonly ok: boolean;
  /** HTTP status, or gRPC status code; absent when there was no answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** The answer: parsed where it is JSON, else text. */
  readonly body?: unknown;
  readonly error?: string;
  readonly ms: number;
}

export interface CallOptions {
  readonly target: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | undefined;
  readonly timeoutMs: number;
}

/** Something that can call again and again over what it keeps open. */
export interface Caller {
  call(options: CallOptions): Promise<CallResult>;
  close(): void;
  /** Connections that had answered and then ended, not by `close`; a caller that does not say counts none. */
  breaks?(): number;
  /** Connections that have answered and are open still; a caller that does not say counts none. */
  standing?(): number;
}

/** Sum of a load, printed every second and at the end. */
export interface LoadReport {
  readonly calls: number;
  readonly failures: number;
  /** Answers by status, `none` where there was none. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly firstFailures: readonly (CallResult & { readonly at: string })[];
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Kept connections that broke, also between two calls, where no call fails by it. */
  readonly breaks: number;
  /** Kept connections that have answered and are open still. */
  readonly standing: number;
  readonly done: boolean;
}

const usage = `[--method M] [--header 'name: value']… [--body TEXT] [--timeout MS] [--load SECONDS] [--until-eof] [--rate CALLS_A_SECOND] [--connections N] TARGET
One call prints its result as a line of JSON; exit code 0 if it was answered well. --load (0 = until SIGTERM) calls on and on
and prints a line of JSON with the counts every second and at the end; exit code 0 if no call failed. --until-eof ends a load
when standard input ends.`;

/** Runs a caller's command line and ends the process. `open` makes a caller with connections of its own. */
export async function runCaller(name: string, open: () => Caller, args = process.argv.slice(2)): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      method: { type: 'string', default: 'GET' },
      header: { type: 'string', multiple: true, default: [] },
      body: { type: 'string' },
      timeout: { type: 'string', default: '10000' },
      load: { type: 'string' },
      'until-eof': { type: 'boolean', default: false },
      rate: { type: 'string', default: '20' },
      connections: { type: 'string', default: '1' },
    },
  });
  const [target] = positionals;
  if (target === undefined) {
    process.stderr.write(`${name} ${usage}\n`);
    process.exit(2);
  }
  const { method, body } = values;
  const options = { target, method, headers: values.header.map(splitHeader), body, timeoutMs: Number(values.timeout) };
  if (values.load === undefined) {
    const caller = open();
    const result = await caller.call(options);
    print(result);
    process.exit(result.ok ? 0 : 1);
  }
  const end = new AbortController();
  const stop = (): void => end.abort();
  process.on('SIGTERM', stop).on('SIGINT', stop);
  if (values['until-eof']) process.stdin.on('end', stop).on('error', stop).resume();
  const load = { seconds: Number(values.load), rate: Number(values.rate), connections: Number(values.connections) };
  const report = await runLoad(open, options, load, end.signal);
  print(report);
  process.exit(report.failures === 0 ? 0 : 1);
}

function splitHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export interface Load {
  /** 0 = until the signal. */
  readonly seconds: number;
  /** Calls a second over all connections. */
  readonly rate: number;
  readonly connections: number;
}

/** Calls at a steady rate over a number of callers; a caller that waits for its answer skips its turns. */
export async function runLoad(
  open: () => Caller,
  options: CallOptions,
  load: Load,
  stop: AbortSignal = new AbortController().signal,
): Promise<LoadReport> {
  const tally = new Tally();
  const ends = load.seconds > 0 ? AbortSignal.any([stop, AbortSignal.timeout(load.seconds * 1000)]) : stop;
  const callers = Array.from({ length: load.connections }, open);
  const count = (what: 'breaks' | 'standing'): number =>
    callers.reduce((sum, caller) => sum + (caller[what]?.() ?? 0), 0);
  const report = (done: boolean): LoadReport =>
    tally.report(done, { breaks: count('breaks'), standing: count('standing') });
  const printer = setInterval(() => print(report(false)), 1000);
  const gapMs = (1000 * load.connections) / load.rate;
  const one = async (caller: Caller, index: number): Promise<void> => {
    await sleep((gapMs / load.connections) * index, ends);
    while (!ends.aborted) {
      const started = performance.now();
      tally.add(await caller.call(options));
      await sleep(gapMs - (performance.now() - started), ends);
    }
    caller.close();
  };
  await Promise.all(callers.map(one));
  clearInterval(printer);
  return report(true);
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await pause(ms, undefined, { signal }).catch(() => undefined);
}

const keptFailures = 10;
const keptTimes = 200_000;

class Tally {
  private calls = 0;
  private failures = 0;
  private readonly statuses: Record<string, number> = {};
  private readonly firstFailures: (CallResult & { at: string })[] = [];
  private readonly times: number[] = [];

  add(result: CallResult): void {
    this.calls += 1;
    const status = result.status === undefined ? 'none' : String(result.status);
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (this.times.length < keptTimes) this.times.push(result.ms);
    if (result.ok) return;
    this.failures += 1;
    if (this.firstFailures.length < keptFailures) this.firstFailures.push({ ...result, at: new Date().toISOString() });
  }

  report(done: boolean, connections: Pick<LoadReport, 'breaks' | 'standing'>): LoadReport {
    const sorted = [...this.times].sort((a, b) => a - b);
    const at = (share: number): number =>
      round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
    const { calls, failures, statuses, firstFailures } = this;
    const quantiles = { p50: at(0.5), p99: at(0.99), max: at(1) };
    return { calls, failures, statuses, firstFailures, ...quantiles, ...connections, done };
  }
}

/** Milliseconds with two decimals. */
export function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** JSON if it is, else the text. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
