// Runs in a pod: calls a target again and again at a steady rate, until standard input ends; one line of standard output for each call,
// a `Call` as JSON.
import { setTimeout as pause } from 'node:timers/promises';
import { httpCaller } from '../../lab/workloads/call-http.js';
import type { CallResult } from '../../lab/workloads/calls.js';
import type { Call } from './calls.js';

/** Each waits for its own answers only, so that a slow call holds up few others. */
const lanes = 10;
const [target = '', rate = '50'] = process.argv.slice(2);
const gapMs = (lanes * 1000) / Number(rate);
const options = { target, method: 'GET', headers: [], body: undefined, timeoutMs: 5_000 };
const ended = new AbortController();
process.stdin.on('end', () => ended.abort()).resume();

async function lane(index: number): Promise<void> {
  const caller = httpCaller();
  const first = performance.now() + (index * gapMs) / lanes;
  for (let turn = 0; !ended.signal.aborted; turn += 1) {
    const due = first + turn * gapMs - performance.now();
    if (due < -gapMs) continue;
    if (due > 0) await pause(due);
    const at = performance.timeOrigin + performance.now();
    const result = await caller.call(options);
    const call: Call = { at, answered: at + result.ms, ...outcomeOf(result) };
    process.stdout.write(`${JSON.stringify(call)}\n`);
  }
  caller.close();
}

function outcomeOf({ ok, status, body, error }: CallResult): Pick<Call, 'by' | 'error'> {
  if (ok) return { by: String((body as { cluster?: unknown }).cluster) };
  return { error: error ?? `${status} ${String(body).slice(0, 80)}` };
}

await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
